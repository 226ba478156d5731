"""Initial train state, and one rollout with scaled rewards and the RND bonus."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from elsinore.experience.multi_agent import params_of_one
from elsinore.experience.normalisation import init_normalisers, observe, scale_rewards
from elsinore.experience.rnd import add_intrinsic_reward, init_rnd
from elsinore.experience.rollout import init_actor, rollout
from elsinore.jaxtools.prng import for_use
from elsinore.nets.network import Network
from elsinore.types import Actor, Decision, Mean, TrainState, Transition


def observation_of(env: Any, env_params: PyTree) -> PyTree:
    """Shapes and dtypes of one observation."""
    return jax.eval_shape(env.reset_env, jax.random.key(0), params_of_one(env, env_params))[0]


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


def collect(
    config: Any,
    env: Any,
    state: TrainState,
    policy: Callable[..., Decision],
    key: Key[Array, ""],
    noise: PyTree,
    initial_carry: PyTree = (),
) -> tuple[TrainState, Transition, dict[str, Mean]]:
    """One rollout, [time, env, ...], with the rewards that learning uses; arguments as `rollout`.

    The metrics hold raw returns. The returned state has the actor, normalisers and RND state after
    the rollout; its observations are to be normalised by those before it.
    """
    before = state.actor
    actor, experience, metrics = rollout(
        env, state.env_params, policy, before, key, noise, initial_carry
    )
    done = experience.terminated | experience.truncated
    stats, reward = scale_rewards(state.stats, experience.reward, done, state.hyper.gamma)
    longest = jnp.max(getattr(state.env_params, "max_steps_in_episode", jnp.inf))
    rnd, reward, rnd_metrics = add_intrinsic_reward(
        config.rnd,
        state.rnd,
        experience,
        reward,
        state.hyper.rnd_weight,
        before.episode_length,
        longest,
    )
    state = state._replace(actor=actor, stats=observe(stats, experience.obs), rnd=rnd)
    return state, experience._replace(reward=reward), metrics | rnd_metrics
