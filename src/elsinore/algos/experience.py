"""The part of a state that every algorithm has, and one rollout of it: acting, scaling, wondering."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from elsinore.experience.bodies import params_of_one
from elsinore.experience.curiosity import begin_curiosity, wonder
from elsinore.experience.normalisation import init_normalisers, observe, scale_rewards
from elsinore.experience.rollout import begin, rollout
from elsinore.nets.network import Network
from elsinore.ops.randomness import for_use
from elsinore.types import Actor, Decision, Mean, TrainState, Transition


def observation_of(env: Any, env_params: PyTree) -> PyTree:
    """The shapes and types of one observation."""
    return jax.eval_shape(env.reset_env, jax.random.key(0), params_of_one(env, env_params))[0]


def begin_state(
    config: Any, env: Any, net: Network, learner: Callable[[PyTree, Actor], Any], key: Key[Array, ""], env_params, hyper
) -> TrainState:
    """A seed's beginning; `learner(params, actor)` makes the algorithm's own record.

    `config` has `num_envs`, `normalize_obs`, `normalize_rewards` and `rnd`; `hyper` has `rnd_weight`.
    """
    actor = begin(env, key, env_params, config.num_envs, net.memory)
    params = net.init(for_use(key, "init"), jax.tree.map(lambda x: x[0], actor.obs))
    return TrainState(
        key=key,
        update=jnp.int32(0),
        learner=learner(params, actor),
        actor=actor,
        stats=init_normalisers(actor.obs, config.normalize_obs, config.normalize_rewards),
        hyper=hyper,
        env_params=env_params,
        curiosity=begin_curiosity(config.rnd, key, actor.obs),
    )


def gather(
    config: Any,
    env: Any,
    state: TrainState,
    policy: Callable[..., Decision],
    key: Key[Array, ""],
    noise: PyTree,
    memory: PyTree = (),
) -> tuple[TrainState, Transition, dict[str, Mean]]:
    """One rollout, [time, env, ...], with the rewards that learning is to use; `policy`, `noise` and `memory` are
    those of `rollout`. The metrics tell the raw returns. The state goes on with the actor, the normalisers and
    the curiosity that the rollout left; what it saw is to be normalised by those it began with."""
    before = state.actor
    actor, experience, metrics = rollout(env, state.env_params, policy, before, key, noise, memory)
    done = experience.terminated | experience.truncated
    stats, reward = scale_rewards(state.stats, experience.reward, done, state.hyper.gamma)
    longest = jnp.max(getattr(state.env_params, "max_steps_in_episode", jnp.inf))
    curiosity, reward, surprise = wonder(
        config.rnd, state.curiosity, experience, reward, state.hyper.rnd_weight, before.episode_length, longest
    )
    state = state._replace(actor=actor, stats=observe(stats, experience.obs), curiosity=curiosity)
    return state, experience._replace(reward=reward), metrics | surprise
