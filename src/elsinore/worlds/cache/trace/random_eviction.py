"""Uniformly random eviction, at constant cost a request."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from elsinore.worlds.cache.trace.cells import CellLayout, merge_writes
from elsinore.worlds.cache.trace.policy import EvictionPolicy, PolicyStep
from elsinore.worlds.cache.trace.queues import admit_all


def random_eviction(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict a random object; the same numbers in every replay, so that results are comparable."""
    # cached objects, in no order; index of each among them + 1
    layout = CellLayout(held=num_objects, place=num_objects)

    def advance(cells, memo, weights, event):
        count, draws = memo
        chosen = splitmix64(draws) % jnp.maximum(count, 1)
        victim = layout.read(cells, "held", chosen)
        last = layout.read(cells, "held", jnp.maximum(count - 1, 0))  # takes the victim's place
        node, place = jnp.where(event.evict, last, event.obj), jnp.where(event.evict, chosen, count)
        happens = event.evict | event.store
        writes = merge_writes(
            layout.write("held", place, node, happens),
            layout.write("place", node, place + 1, happens & ~(event.evict & (last == victim))),
            layout.write("place", victim, jnp.zeros_like(victim), event.evict),
        )
        memo = jnp.stack([count + event.store - event.evict, draws + event.evict])
        return PolicyStep(writes, memo, jnp.where(event.evict, victim, -1))

    def holds(cells, obj):
        return layout.read(cells, "place", obj) > 0

    return EvictionPolicy(layout.fresh({}), np.zeros(2, np.int64), holds, admit_all, advance)


def splitmix64(i: Int[Array, ""]) -> Int[Array, ""]:
    """The i-th random number, not negative: the finaliser of SplitMix64 (Steele 2014, OOPSLA)."""
    x = (i.astype(jnp.uint64) + 1) * jnp.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> 30)) * jnp.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> 27)) * jnp.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> 31)) >> 1).astype(jnp.int64)
