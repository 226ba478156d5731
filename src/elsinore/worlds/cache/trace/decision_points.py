"""Skipping of requests that need no decision."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.worlds.cache.trace.env import TraceCache, TraceCacheParams, TraceCacheState


def step_to_decision(
    env: TraceCache,
    key,
    state: TraceCacheState,
    action: Int[Array, ""],
    params: TraceCacheParams,
    max_skip: int = 64,
) -> tuple[Any, TraceCacheState, Float[Array, ""], Int[Array, ""]]:
    """(obs, state, reward, elapsed): one step, then further ones until an object is pending, at
    most `max_skip` in all.

    The reward is the sum over the `elapsed` requests, so discount the future by `gamma ** elapsed`.
    Stops where the episode is truncated. Under `vmap` the cost is that of the slowest lane.
    """

    def waiting(carry):
        _, state, _, elapsed = carry
        return (state.pending < 0) & (elapsed < max_skip) & ~env.is_truncated(state, params)

    def go_on(carry):
        _, state, reward, elapsed = carry
        obs, state, more, *_ = env.step_env(jax.random.fold_in(key, elapsed), state, action, params)
        return obs, state, reward + more, elapsed + 1

    obs, state, reward, *_ = env.step_env(key, state, action, params)
    return jax.lax.while_loop(waiting, go_on, (obs, state, reward, jnp.int32(1)))
