"""S3-FIFO: a small queue for newcomers, a main queue for objects that were hit, and a ghost queue
of evicted ones.

A request costs a fixed number of reads and writes, and its scans together no more steps than there
were hits and stores. Source: Yang et al. 2023, FIFO queues are all you need for cache eviction,
SOSP 2023.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.cells import CellLayout, CellWrites, merge_writes
from elsinore.worlds.cache.trace.lists import empty_lists, move_node
from elsinore.worlds.cache.trace.policy import CacheEvent, EvictionPolicy, PolicyStep

NOWHERE, SMALL, MAIN, GHOST = range(4)  # homes of an object
KEEPS = 2  # hits in the small queue that lead to the main one
MOST = 3  # hits that count in the main queue


class S3FifoMemo(NamedTuple):
    """Numbers of S3-FIFO beside its queues."""

    small: Int[Array, ""]  # weights of the three queues
    main: Int[Array, ""]
    ghost: Int[Array, ""]
    returned: Int[Array, ""]  # 1: the object requested now was among the ghosts
    # 1: a scan of the small queue has only moved objects to the main one so far
    scanning: Int[Array, ""]
    evicted: Int[Array, ""]  # 1: something was evicted already


class QueueMove(NamedTuple):
    """One object moves to another queue (`to` = NOWHERE: it is forgotten)."""

    node: Int[Array, ""]
    to: Int[Array, ""]
    count: Int[Array, ""]
    moves: Bool[Array, ""]


class Queues(NamedTuple):
    """S3-FIFO's three queues in cells; list k's sentinel is node num_objects - 1 + k."""

    layout: CellLayout
    num_objects: int

    def holds(self, cells, obj):
        return (self.home(cells, obj) == SMALL) | (self.home(cells, obj) == MAIN)

    def wants(self, cells, memo, event: CacheEvent):
        return self.returns(cells, S3FifoMemo(*memo), event) | (
            event.weight < small_share(event.capacity)
        )

    def advance(self, cells, memo, weights, event: CacheEvent) -> PolicyStep:
        step, freed, memo = self.choose(cells, S3FifoMemo(*memo), weights, event)
        before = self.home(cells, step.node)
        queues = jnp.array([SMALL, MAIN, GHOST])
        sign = (queues == step.to).astype(int) - (queues == before).astype(int)
        memo = jnp.stack(memo).at[:3].add(step.moves * weights[step.node] * sign)
        return PolicyStep(self.writes(cells, step, before, event), memo, freed)

    def home(self, cells, obj):
        return self.layout.read(cells, "home", obj)

    def returns(self, cells, memo: S3FifoMemo, event: CacheEvent) -> Bool[Array, ""]:
        """True for an object that was among the ghosts when it was requested."""
        return (memo.returned == 1) | (self.home(cells, event.obj) == GHOST)

    def oldest(self, cells, queue):
        """The oldest object of a queue, or 0 where it is empty (then unused)."""
        node = self.layout.read(cells, "newer", self.num_objects - 1 + queue)
        return jnp.where(node < self.num_objects, node, 0)

    def choose(
        self, cells, memo: S3FifoMemo, weights, event: CacheEvent
    ) -> tuple[QueueMove, Int[Array, ""], S3FifoMemo]:
        """This step's move, the object that leaves the cache (or -1), and the memo without the
        change of the queues' weights."""
        recalled = event.evict & (self.home(cells, event.obj) == GHOST)
        evicts = event.evict & ~recalled
        room, freed, after_room = self.make_room(cells, memo, weights, event)
        step = where(evicts, room, self.store(cells, memo, event))
        step = where(recalled, queue_move(event.obj, NOWHERE), step)
        memo = where(evicts, after_room, memo)
        returned = jnp.where(recalled, 1, jnp.where(event.store, 0, memo.returned))
        return step, jnp.where(evicts, freed, -1), memo._replace(returned=returned)

    def make_room(
        self, cells, memo: S3FifoMemo, weights, event: CacheEvent
    ) -> tuple[QueueMove, Int[Array, ""], S3FifoMemo]:
        """One step towards room: the move, the object that leaves the cache (or -1), the memo."""
        from_main = (memo.small == 0) | (
            (memo.scanning == 0) & (memo.main > main_share(event.capacity))
        )
        victim = self.oldest(cells, jnp.where(from_main, MAIN, SMALL))
        count = self.layout.read(cells, "count", victim)
        stays = count >= jnp.where(from_main, 1, KEEPS)
        to_ghosts = ~from_main & ~stays
        crowded = to_ghosts & (memo.ghost + weights[victim] > ghost_share(event.capacity))
        to = jnp.where(stays, MAIN, jnp.where(from_main, NOWHERE, GHOST))
        kept_count = jnp.where(from_main, jnp.minimum(count, MOST) - 1, 0)
        step = queue_move(victim, to, jnp.where(stays, kept_count, 0))
        step = where(crowded, queue_move(self.oldest(cells, GHOST), NOWHERE), step)
        scanning = jnp.where(crowded, memo.scanning, (~from_main & stays).astype(int))
        freed = jnp.where(stays | crowded, -1, victim)
        return step, freed, memo._replace(scanning=scanning, evicted=jnp.ones_like(memo.evicted))

    def store(self, cells, memo: S3FifoMemo, event: CacheEvent) -> QueueMove:
        early = (memo.evicted == 0) & (memo.small >= small_share(event.capacity))
        to = jnp.where(self.returns(cells, memo, event) | early, MAIN, SMALL)
        return QueueMove(event.obj, to, jnp.asarray(0), event.store)

    def writes(self, cells, step: QueueMove, before, event: CacheEvent) -> CellWrites:
        """Writes of a move from the queue `before`, and of a hit's count."""
        sentinel = self.num_objects - 1 + jnp.maximum(step.to, SMALL)
        unlink, push = step.moves & (before != NOWHERE), step.moves & (step.to != NOWHERE)
        touched = jnp.where(event.hit, event.obj, step.node)
        hits = self.layout.read(cells, "count", event.obj) + 1
        return merge_writes(
            move_node(self.layout, cells, step.node, sentinel, unlink, push),
            self.layout.write("home", step.node, step.to, step.moves),
            self.layout.write(
                "count", touched, jnp.where(event.hit, hits, step.count), event.hit | step.moves
            ),
        )


def s3fifo(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict from the small queue what was hit less than twice, else from the main queue."""
    nodes = num_objects + 3
    layout = CellLayout(newer=nodes, older=nodes, home=num_objects, count=num_objects)
    queues, memo = Queues(layout, num_objects), np.zeros(len(S3FifoMemo._fields), np.int64)
    fresh = layout.fresh(empty_lists(num_objects, 3))
    return EvictionPolicy(fresh, memo, queues.holds, queues.wants, queues.advance)


def queue_move(node: Int[Array, ""], to, count=0) -> QueueMove:
    return QueueMove(node, jnp.asarray(to), jnp.asarray(count), jnp.bool_(True))


def where(condition: Bool[Array, ""], yes: Any, no: Any) -> Any:
    """`jnp.where` over all fields of two records."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), yes, no)


def small_share(capacity: Int[Array, ""]) -> Int[Array, ""]:
    """Capacity of the small queue: a tenth."""
    return capacity // 10


def main_share(capacity: Int[Array, ""]) -> Int[Array, ""]:
    """Capacity of the main queue: the rest."""
    return capacity - small_share(capacity)


def ghost_share(capacity: Int[Array, ""]) -> Int[Array, ""]:
    """Weight of the ghosts, at most: nine tenths of the capacity."""
    return 9 * capacity // 10
