"""Queue policies: LRU, FIFO, SIEVE. A request costs a fixed number of reads and writes.

SIEVE's hand may pass several objects before it evicts one; each was hit since the hand last passed,
so all its moves together are no more than the hits.
"""

import jax.numpy as jnp
import numpy as np

from elsinore.worlds.cache.trace.cells import CellLayout, merge_writes
from elsinore.worlds.cache.trace.lists import ABSENT, empty_lists, move_node
from elsinore.worlds.cache.trace.policy import EvictionPolicy, PolicyStep

NO_MEMO = np.zeros(0, np.int64)


def admit_all(cells, memo, event):
    return jnp.bool_(True)


def lru(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict the least recently used."""
    return _queue(num_objects, renewed_by_hits=True)


def fifo(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict the first stored."""
    return _queue(num_objects, renewed_by_hits=False)


def _queue(num_objects: int, renewed_by_hits: bool) -> EvictionPolicy:
    layout = CellLayout(newer=num_objects + 1, older=num_objects + 1)
    sentinel = jnp.asarray(num_objects)

    def advance(cells, memo, weights, event):
        oldest = layout.read(cells, "newer", sentinel)
        node = jnp.where(event.evict, oldest, event.obj)
        renew = event.hit & renewed_by_hits
        writes = move_node(layout, cells, node, sentinel, event.evict | renew, event.store | renew)
        return PolicyStep(writes, memo, jnp.where(event.evict, oldest, -1))

    return EvictionPolicy(
        layout.fresh(empty_lists(num_objects, 1)), NO_MEMO, holds_linked(layout), admit_all, advance
    )


def holds_linked(layout: CellLayout):
    """`holds` of a policy whose lists contain exactly the cached objects."""
    return lambda cells, obj: layout.read(cells, "newer", obj) != ABSENT


def sieve(num_objects: int, num_requests: int) -> EvictionPolicy:
    """A hand moves from old to new, clears the mark of objects hit since its last pass, and evicts
    the first unmarked one.

    Source: Zhang et al. 2024, SIEVE is simpler than LRU, NSDI 2024.
    """
    layout = CellLayout(newer=num_objects + 1, older=num_objects + 1, visited=num_objects + 1)
    sentinel = jnp.asarray(num_objects)

    def advance(cells, memo, weights, event):
        hand = jnp.where(memo[0] == num_objects, layout.read(cells, "newer", sentinel), memo[0])
        node = jnp.where(event.evict, hand, event.obj)
        leaves = event.evict & (layout.read(cells, "visited", node) == 0)
        writes = merge_writes(
            move_node(layout, cells, node, sentinel, leaves, event.store),
            layout.write(
                "visited", node, event.hit.astype(int), event.hit | event.evict | event.store
            ),
        )
        # past the newest is the sentinel
        memo = jnp.where(event.evict, layout.read(cells, "newer", hand), memo)
        return PolicyStep(writes, memo, jnp.where(leaves, hand, -1))

    fresh = layout.fresh(empty_lists(num_objects, 1))
    return EvictionPolicy(fresh, np.array([num_objects]), holds_linked(layout), admit_all, advance)
