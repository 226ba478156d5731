"""Common settings, and the frame of every algorithm: its initial train state, and an update of one
rollout and the learning from it, by scaled rewards with the RND bonus."""

import math
from collections.abc import Callable
from dataclasses import field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key, PyTree

from elsinore import validation
from elsinore.algos.registry import steps_per_update
from elsinore.config_records import settings
from elsinore.envs.time_limit import time_limits
from elsinore.experience.multi_agent import params_of_one
from elsinore.experience.normalisation import init_normalisers, observe, scale_rewards
from elsinore.experience.rnd import RNDConfig, add_intrinsic_reward, init_rnd
from elsinore.experience.rollout import init_actor, rollout
from elsinore.hyperparameters import numbers_of, traced
from elsinore.jaxtools.prng import for_update, for_use, for_uses
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import check_mask
from elsinore.nets.network import Network
from elsinore.types import (
    Actor,
    Algorithm,
    Decision,
    Mean,
    PolicyFunctions,
    TrainState,
    Transition,
    UpdateParts,
)


@settings
class LearningConfig:
    """Settings of all algorithms; those that are `traced` may differ between runs of one compiled
    program."""

    name: str = field(default="", init=False)
    num_envs: int = 1  # Environments that run in parallel.
    rollout_length: int = 1  # Steps of each environment per update.
    learning_rate: float = traced(2.5e-4)  # The step size of the optimiser.
    # The learning rate at the end of the run, approached linearly; null keeps it constant.
    learning_rate_final: float | None = traced(None, absent="learning_rate")
    max_grad_norm: float = traced(0.5)  # The largest norm of the gradient; .inf: no limit.
    gamma: float = traced(0.99)  # The discount of future rewards.
    normalize_obs: bool = False  # Scale observations by their running mean and deviation.
    normalize_rewards: bool = False  # Scale rewards by the deviation of their discounted return.
    network: NetworkConfig = NetworkConfig()  # The network.
    rnd: RNDConfig = RNDConfig()  # The exploration bonus.

    def __post_init__(self) -> None:
        validation.at_least(self, 1, "num_envs", "rollout_length")
        validation.in_unit_interval(self, "gamma")
        validation.positive(self, "learning_rate", off={"max_grad_norm": math.inf})
        validation.not_negative(self, "learning_rate_final")

    @property
    def steps_per_update(self) -> int:
        """Env steps of one update."""
        return self.num_envs * self.rollout_length


class RolloutData(NamedTuple):
    """One rollout, and what learning from it needs."""

    experience: Transition  # [time, env, ...]
    before: TrainState  # of before the rollout
    hyper: Any
    optimiser: optax.GradientTransformation
    after: TrainState  # of after the rollout, before learning


def observation_of(env: Any, env_params: PyTree) -> PyTree:
    """Shapes and dtypes of one observation.

    Raises:
        ValueError: as `check_mask`, since a mask of another layout would be read as if it fitted.
    """
    obs = jax.eval_shape(env.reset_env, jax.random.key(0), params_of_one(env, env_params))[0]
    check_mask(obs, env.action_space(env_params))
    return obs


def init_state(
    config: Any,
    env: Any,
    net: Network,
    init_learner: Callable[[PyTree, Actor], Any],
    key: Key[Array, ""],
    env_params: PyTree,
    hyper: Any,
) -> TrainState:
    """Initial train state of a seed; `init_learner(params, actor)` makes the algorithm's record.

    `config` has `num_envs`, `normalize_obs`, `normalize_rewards` and `rnd`; `hyper` has
    `rnd_weight`.
    """
    actor = init_actor(env, key, env_params, config.num_envs, net.initial_carry)
    params = net.init(for_use(key, "init"), jax.tree.map(lambda x: x[0], actor.obs))
    return TrainState(
        key=key,
        update=jnp.int32(0),
        learner=init_learner(params, actor),
        actor=actor,
        stats=init_normalisers(actor.obs, config.normalize_obs, config.normalize_rewards),
        hyper=hyper,
        env_params=env_params,
        rnd=init_rnd(config.rnd, key, actor.obs),
    )


def learning_rewards(
    config: Any, state: TrainState, actor: Actor, experience: Transition
) -> tuple[TrainState, Transition, dict[str, Mean]]:
    """The state after a rollout that ended with `actor`; its experience, [time, env, ...], with the
    rewards that learning uses, scaled and with the RND bonus; and the metrics of RND.

    `config` has `rnd`; `state` is that before the rollout, whose `stats` normalise observations.
    """
    done = experience.terminated | experience.truncated
    stats, reward = scale_rewards(state.stats, experience.reward, done, state.hyper.gamma)
    longest = jnp.max(jnp.asarray(time_limits(state.env_params, jnp.inf)))
    rnd, reward, rnd_metrics = add_intrinsic_reward(
        config.rnd,
        state.rnd,
        experience,
        reward,
        state.hyper.rnd_weight,
        state.actor.episode_length,
        longest,
    )
    state = state._replace(actor=actor, stats=observe(stats, experience.obs), rnd=rnd)
    return state, experience._replace(reward=reward), rnd_metrics


def update_keys(
    parts: UpdateParts, state: TrainState
) -> tuple[Key[Array, ""], Key[Array, ""], Key[Array, ""]]:
    """Keys of the next update: of `parts.prepare`, of the rollout and of `parts.learn`."""
    keys = for_uses(for_update(state.key, state.update), *parts.uses)
    return keys[0], keys[1], keys[2]


def update_of(
    env: Any, parts: UpdateParts, initial_carry: PyTree = ()
) -> Callable[[TrainState], tuple[TrainState, dict[str, Any]]]:
    """The update that is made of these parts: one rollout, and all the learning from it."""

    def update(state: TrainState) -> tuple[TrainState, dict[str, Any]]:
        prepare_key, rollout_key, learn_key = update_keys(parts, state)
        context, noise = parts.prepare(state, prepare_key)
        policy = partial(parts.decide, state, context)
        actor, experience, metrics = rollout(
            env, state.env_params, policy, state.actor, rollout_key, noise, initial_carry
        )
        after, more = parts.learn(learn_key, state, actor, experience, context)
        return after, metrics | more

    return update


def algorithm_from(
    config: Any,
    env: Any,
    net: Network,
    num_updates: int,
    *,
    uses: tuple[str, str, str],
    init_learner: Callable[[Any, PyTree, Actor], Any],
    prepare: Callable[..., tuple[PyTree, PyTree]],
    decide: Callable[..., Decision],
    learn: Callable[..., tuple[Any, dict[str, Any]]],
    policy: PolicyFunctions,
) -> Algorithm:
    """An algorithm whose update is one rollout, and learning from its scaled rewards.

    `init_learner(hyper, params, actor)` makes the algorithm's record; `uses`, `prepare` and
    `decide` are those of `UpdateParts`; `learn(key, before, state, experience, context) ->
    (learner, metrics)`, with `before` the state before the rollout and `state` the one after it.
    """

    def init(key: Key[Array, ""], env_params: PyTree, hyper: Any) -> TrainState:
        return init_state(config, env, net, partial(init_learner, hyper), key, env_params, hyper)

    def learn_rollout(
        key: Key[Array, ""],
        before: TrainState,
        actor: Actor,
        experience: Transition,
        context: PyTree,
    ) -> tuple[TrainState, dict[str, Any]]:
        state, experience, bonus = learning_rewards(config, before, actor, experience)
        learner, metrics = learn(key, before, state, experience, context)
        return state._replace(update=state.update + 1, learner=learner), bonus | metrics

    parts = UpdateParts(uses, prepare, decide, learn_rollout)
    return Algorithm(
        init=init,
        update=update_of(env, parts, net.initial_carry),
        policy=policy,
        hyper=numbers_of(config, num_updates=num_updates),
        steps_per_update=steps_per_update(config),
        parts=parts,
    )
