"""Belady as a teacher: give up what would take the most room for its next hit. It knows the future; its pupil must not.

An object that is kept until its next use takes its size for so many requests, and gives one hit. Where all are of one
size, the one to let go is the one that is used again last: Belady's rule, which no policy beats. With sizes, room times
waiting is the rule of the greatest gain per byte and request, good but no optimum (which is hard to find: Berger 2018,
arXiv:1711.03709).
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.trace.env import Params, State, TraceCache

Told = tuple[Int[Array, ""], Bool[Array, ""], Float[Array, "action"]]


def belady_teacher(env: TraceCache) -> Callable[[State, Params], Told]:
    """(state, params) -> (the oracle's action, whether there is anything to decide, what each action is worth).

    Of those an action may evict, the one of the greatest burden; none, where the pending object's own is no less. Among
    equals the first action. It looks at the first victim only. An action is worth the burden of what it lets go.
    """

    def teach(state: State, params: Params) -> Told:
        which, there = env.decision.shown(state.slots, env.candidates)
        which, there = (x[:num_evictions] for x in (which, there))
        at = jnp.append(state.slots.last[which], jnp.maximum(state.pending, 0))
        taken = room(env.log.next_use[at] - state.request, env.log.weight[at])
        taken = jnp.where(jnp.append(there, True), taken, -1.0)
        victims, own = taken[:-1], taken[-1]
        turn_away = jnp.max(victims) <= own
        action = jnp.where(turn_away, num_evictions, jnp.argmax(victims))
        capacity = jnp.minimum(state.capacity, env.slots) if env.unit == "objects" else state.capacity
        return action, state.pending >= 0, burden(taken, capacity)

    num_evictions = env.decision.num_actions(env.candidates) - 1
    return teach


def room(ahead: Int[Array, "n"], weight: Int[Array, "n"]) -> Float[Array, "n"]:
    """What an object takes of the cache until its next use, in entries or bytes times requests."""
    return ahead.astype(jnp.float32) * weight


def burden(taken: Float[Array, "n"], capacity: Int[Array, ""]) -> Float[Array, "n"]:
    """`room` as a share: 0 for none, 1/2 for the whole cache during one request, 1 for what is never used again."""
    return 1.0 - capacity / (capacity + jnp.maximum(taken, 0.0))
