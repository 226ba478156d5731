"""From decision to decision: most requests ask nothing of the agent."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.envs.cache.trace.env import Params, State, TraceCache


def step_to_decision(
    env: TraceCache, key, state: State, action: Int[Array, ""], params: Params, max_skip: int = 64
) -> tuple[Any, State, Float[Array, ""], Int[Array, ""]]:
    """(obs, state, reward, elapsed): one step, and further ones while nothing is pending, `max_skip` in all at most.

    The reward is the sum over the `elapsed` requests: the future is worth `gamma ** elapsed`. It stops where the
    episode is truncated. Under `vmap` it costs as many steps as the lane that waits longest.
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
