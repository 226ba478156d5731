"""Belady as a teacher: the action that gives up what is used again last. It knows the future; its pupil must not."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.trace.env import Params, State, TraceCache

Told = tuple[Int[Array, ""], Bool[Array, ""], Float[Array, "action"]]


def belady_teacher(env: TraceCache) -> Callable[[State, Params], Told]:
    """(state, params) -> (the oracle's action, whether there is anything to decide, what each action is worth).

    Of those an action may evict, the one whose next use lies furthest ahead; none, where the pending object's own lies
    no nearer. Among equals the first action. With sizes this is no optimum (see `gdsf`), and it looks at the first
    victim only. An action is worth the lateness of what it lets go.
    """

    def teach(state: State, params: Params) -> Told:
        which, there = env.decision.shown(state.slots, env.candidates)
        which, there = (x[:num_evictions] for x in (which, there))
        victims = jnp.where(there, env.log.next_use[state.slots.last[which]], -1)
        own = env.log.next_use[jnp.maximum(state.pending, 0)]
        turn_away = jnp.max(victims) <= own
        action = jnp.where(turn_away, num_evictions, jnp.argmax(victims))
        entries = jnp.minimum(state.capacity, env.slots)
        return action, state.pending >= 0, lateness(jnp.append(victims, own) - state.request, entries)

    num_evictions = env.decision.num_actions(env.candidates) - 1
    return teach


def lateness(ahead: Int[Array, "action"], entries: Int[Array, ""]) -> Float[Array, "action"]:
    """How far ahead the next use is: 0 for the next request, 1/2 for as many as there may be entries, 1 for never."""
    return 1.0 - entries / (entries + jnp.maximum(ahead, 0).astype(jnp.float32))
