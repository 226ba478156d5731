"""Belady as an imitation teacher: evict the object that would take the most room until its next
hit.

A cached object takes its size for all requests until its next use, and gives one hit. With equal
sizes the best victim is the one used again last: Belady's rule, which no policy beats. With sizes,
room times waiting is the rule of the greatest gain per byte and request, good but not optimal (the
optimum is hard to find: Berger 2018, arXiv:1711.03709).
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.trace.env import TraceCache, TraceCacheParams, TraceCacheState

BeladyAdvice = tuple[Int[Array, ""], Bool[Array, ""], Float[Array, "action"]]


def belady_teacher(env: TraceCache) -> Callable[[TraceCacheState, TraceCacheParams], BeladyAdvice]:
    """Teacher `(state, params) -> (the oracle's action, whether anything is pending, worth of each
    action)`.

    It evicts the entry of the greatest burden, or rejects the pending object if its own is no less;
    ties go to the first action. It looks at the first victim only. An action's worth is the burden
    of what it evicts.
    """

    def teach(state: TraceCacheState, params: TraceCacheParams) -> BeladyAdvice:
        which, there = env.decision.shown(state.slots, env.candidates)
        which, there = (x[:num_evictions] for x in (which, there))
        at = jnp.append(state.slots.last[which], jnp.maximum(state.pending, 0))
        taken = occupancy_until_use(env.log.next_use[at] - state.request, env.log.weight[at])
        taken = jnp.where(jnp.append(there, True), taken, -1.0)
        victims, own = taken[:-1], taken[-1]
        reject = jnp.max(victims) <= own
        action = jnp.where(reject, num_evictions, jnp.argmax(victims))
        capacity = (
            jnp.minimum(state.capacity, env.slots) if env.unit == "objects" else state.capacity
        )
        return action, state.pending >= 0, burden(taken, capacity)

    num_evictions = env.decision.num_actions(env.candidates) - 1
    return teach


def occupancy_until_use(ahead: Int[Array, "n"], weight: Int[Array, "n"]) -> Float[Array, "n"]:
    """Room until the next use, in entries or bytes times requests."""
    return ahead.astype(jnp.float32) * weight


def burden(taken: Float[Array, "n"], capacity: Int[Array, ""]) -> Float[Array, "n"]:
    """`occupancy_until_use` as a share: 0 for none, 1/2 for the whole cache during one request, 1
    for an object never used again."""
    return 1.0 - capacity / (capacity + jnp.maximum(taken, 0.0))
