"""Policies that are queues: LRU, FIFO, SIEVE. A request costs a fixed number of reads and writes.

SIEVE's hand may pass several objects before it evicts one; each was hit since the hand last saw it, so all its moves
together are no more than the hits.
"""

import jax.numpy as jnp
import numpy as np

from elsinore.envs.cache.trace.cells import Layout, together
from elsinore.envs.cache.trace.lists import ABSENT, empty_lists, move
from elsinore.envs.cache.trace.policy import Change, Policy

NONE = np.zeros(0, np.int64)


def always(cells, memo, event):
    return jnp.bool_(True)


def lru(num_objects: int, num_requests: int) -> Policy:
    """Evict what was used longest ago."""
    return _queue(num_objects, renewed_by_hits=True)


def fifo(num_objects: int, num_requests: int) -> Policy:
    """Evict what was stored longest ago."""
    return _queue(num_objects, renewed_by_hits=False)


def _queue(num_objects: int, renewed_by_hits: bool) -> Policy:
    layout = Layout(newer=num_objects + 1, older=num_objects + 1)
    sentinel = jnp.asarray(num_objects)

    def advance(cells, memo, weights, event):
        oldest = layout.read(cells, "newer", sentinel)
        node = jnp.where(event.evict, oldest, event.obj)
        renew = event.hit & renewed_by_hits
        writes = move(layout, cells, node, sentinel, event.evict | renew, event.store | renew)
        return Change(writes, memo, jnp.where(event.evict, oldest, -1))

    return Policy(layout.fresh(empty_lists(num_objects, 1)), NONE, in_a_list(layout), always, advance)


def in_a_list(layout: Layout):
    """`holds` of a policy whose lists are all of cached objects."""
    return lambda cells, obj: layout.read(cells, "newer", obj) != ABSENT


def sieve(num_objects: int, num_requests: int) -> Policy:
    """A hand goes from old to new, forgives what was hit since it last passed, and evicts the first that was not.

    Source: Zhang et al. 2024, SIEVE is simpler than LRU, NSDI 2024.
    """
    layout = Layout(newer=num_objects + 1, older=num_objects + 1, visited=num_objects + 1)
    sentinel = jnp.asarray(num_objects)

    def advance(cells, memo, weights, event):
        hand = jnp.where(memo[0] == num_objects, layout.read(cells, "newer", sentinel), memo[0])
        node = jnp.where(event.evict, hand, event.obj)
        leaves = event.evict & (layout.read(cells, "visited", node) == 0)
        writes = together(
            move(layout, cells, node, sentinel, leaves, event.store),
            layout.write("visited", node, event.hit.astype(int), event.hit | event.evict | event.store),
        )
        memo = jnp.where(event.evict, layout.read(cells, "newer", hand), memo)  # past the newest is the sentinel
        return Change(writes, memo, jnp.where(leaves, hand, -1))

    fresh = layout.fresh(empty_lists(num_objects, 1))
    return Policy(fresh, np.array([num_objects]), in_a_list(layout), always, advance)
