"""Eviction by lot: every cached object is as likely to leave as any other. A request costs a constant."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from elsinore.envs.cache.trace.cells import Layout, together
from elsinore.envs.cache.trace.policy import Change, Policy
from elsinore.envs.cache.trace.queues import always


def random(num_objects: int, num_requests: int) -> Policy:
    """The same lots in every replay: what orients must not change from one look to the next."""
    layout = Layout(held=num_objects, place=num_objects)  # who is cached, in no order; where each is there, and 1

    def advance(cells, memo, weights, event):
        count, draws = memo
        chosen = drawn(draws) % jnp.maximum(count, 1)
        victim = layout.read(cells, "held", chosen)
        last = layout.read(cells, "held", jnp.maximum(count - 1, 0))  # takes the victim's place
        node, place = jnp.where(event.evict, last, event.obj), jnp.where(event.evict, chosen, count)
        happens = event.evict | event.store
        writes = together(
            layout.write("held", place, node, happens),
            layout.write("place", node, place + 1, happens & ~(event.evict & (last == victim))),
            layout.write("place", victim, jnp.zeros_like(victim), event.evict),
        )
        memo = jnp.stack([count + event.store - event.evict, draws + event.evict])
        return Change(writes, memo, jnp.where(event.evict, victim, -1))

    def holds(cells, obj):
        return layout.read(cells, "place", obj) > 0

    return Policy(layout.fresh({}), np.zeros(2, np.int64), holds, always, advance)


def drawn(i: Int[Array, ""]) -> Int[Array, ""]:
    """The i-th lot, not negative: the finaliser of SplitMix64 (Steele 2014, OOPSLA)."""
    x = (i.astype(jnp.uint64) + 1) * jnp.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> 30)) * jnp.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> 27)) * jnp.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> 31)) >> 1).astype(jnp.int64)
