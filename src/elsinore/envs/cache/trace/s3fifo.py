"""S3-FIFO: a small queue that tries newcomers, a main queue for what was hit, and a memory of what was given up.

A request costs a fixed number of reads and writes, and its scans together no more steps than there were hits and
stores. Source: Yang et al. 2023, FIFO queues are all you need for cache eviction, SOSP 2023.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.envs.cache.trace.cells import Layout, together
from elsinore.envs.cache.trace.lists import empty_lists, move
from elsinore.envs.cache.trace.policy import Change, Event, Policy

NOWHERE, SMALL, MAIN, GHOST = range(4)  # where an object is; list k's sentinel is node num_objects - 1 + k
KEEPS = 2  # hits in the small queue that lead to the main one
MOST = 3  # hits that count in the main queue


class Memo(NamedTuple):
    """What S3-FIFO remembers beside its queues."""

    small: Int[Array, ""]  # weights of the three queues
    main: Int[Array, ""]
    ghost: Int[Array, ""]
    returned: Int[Array, ""]  # 1: the object requested now was among the ghosts
    scanning: Int[Array, ""]  # 1: the small queue was asked for a victim, and has sent objects to the main one so far
    evicted: Int[Array, ""]  # 1: something was evicted already


class Step(NamedTuple):
    """One object goes from one queue to another (`to` = NOWHERE: is forgotten)."""

    node: Int[Array, ""]
    to: Int[Array, ""]
    count: Int[Array, ""]
    moves: Bool[Array, ""]


def s3fifo(num_objects: int, num_requests: int) -> Policy:
    """The policy for one trace."""
    nodes = num_objects + 3
    layout = Layout(newer=nodes, older=nodes, home=num_objects, count=num_objects)

    def home(cells, obj):
        return layout.read(cells, "home", obj)

    def wants(cells, memo, event: Event):
        known = (Memo(*memo).returned == 1) | (home(cells, event.obj) == GHOST)
        return known | (event.weight < small_share(event.capacity))

    def oldest(cells, queue):
        """The oldest object of a queue, or 0 where it is empty (which is then not asked for)."""
        node = layout.read(cells, "newer", num_objects - 1 + queue)
        return jnp.where(node < num_objects, node, 0)

    def making_room(cells, memo: Memo, weights, event: Event) -> tuple[Step, Int[Array, ""], Memo]:
        """One step towards room: the object that moves, the one that leaves the cache, the memo."""
        from_main = (memo.small == 0) | ((memo.scanning == 0) & (memo.main > main_share(event.capacity)))
        victim = oldest(cells, jnp.where(from_main, MAIN, SMALL))
        count = layout.read(cells, "count", victim)
        stays = count >= jnp.where(from_main, 1, KEEPS)
        leaves_small = ~from_main & ~stays
        crowded = leaves_small & (memo.ghost + weights[victim] > ghost_share(event.capacity))
        to = jnp.where(stays, MAIN, jnp.where(from_main, NOWHERE, GHOST))
        kept_count = jnp.where(from_main, jnp.minimum(count, MOST) - 1, 0)
        step = Step(victim, to, jnp.where(stays, kept_count, 0), jnp.bool_(True))
        drop = Step(oldest(cells, GHOST), jnp.asarray(NOWHERE), jnp.asarray(0), jnp.bool_(True))
        step = Step(*(jnp.where(crowded, a, b) for a, b in zip(drop, step, strict=True)))
        scanning = jnp.where(crowded, memo.scanning, (~from_main & stays).astype(int))
        freed = jnp.where(stays | crowded, -1, victim)
        return step, freed, memo._replace(scanning=scanning, evicted=jnp.ones_like(memo.evicted))

    def storing(cells, memo: Memo, event: Event) -> Step:
        returned = (memo.returned == 1) | (home(cells, event.obj) == GHOST)
        early = (memo.evicted == 0) & (memo.small >= small_share(event.capacity))
        to = jnp.where(returned | early, MAIN, SMALL)
        return Step(event.obj, to, jnp.asarray(0), event.store)

    def choose(cells, memo: Memo, weights, event: Event) -> tuple[Step, Int[Array, ""], Memo]:
        """What moves in this step, what leaves the cache, and the memo but for the weights of the queues."""
        recalled = event.evict & (home(cells, event.obj) == GHOST)
        recall = Step(event.obj, jnp.asarray(NOWHERE), jnp.asarray(0), jnp.bool_(True))
        room, freed, after_room = making_room(cells, memo, weights, event)
        serve = storing(cells, memo, event)
        evicts = event.evict & ~recalled
        step = Step(
            *(jnp.where(recalled, a, jnp.where(evicts, b, c)) for a, b, c in zip(recall, room, serve, strict=True))
        )
        memo = Memo(*(jnp.where(evicts, a, b) for a, b in zip(after_room, memo, strict=True)))
        returned = jnp.where(recalled, 1, jnp.where(event.store, 0, memo.returned))
        return step, jnp.where(evicts, freed, -1), memo._replace(returned=returned)

    def advance(cells, memo, weights, event):
        step, freed, memo = choose(cells, Memo(*memo), weights, event)
        before, weight = home(cells, step.node), weights[step.node]
        sentinel = num_objects - 1 + jnp.maximum(step.to, SMALL)
        unlink, push = step.moves & (before != NOWHERE), step.moves & (step.to != NOWHERE)
        touched = jnp.where(event.hit, event.obj, step.node)
        count = jnp.where(event.hit, layout.read(cells, "count", event.obj) + 1, step.count)
        writes = together(
            move(layout, cells, step.node, sentinel, unlink, push),
            layout.write("home", step.node, step.to, step.moves),
            layout.write("count", touched, count, event.hit | step.moves),
        )
        queues = jnp.array([SMALL, MAIN, GHOST])
        change = step.moves * weight * ((queues == step.to).astype(int) - (queues == before).astype(int))
        return Change(writes, jnp.stack(memo).at[:3].add(change), freed)

    def holds(cells, obj):
        return (home(cells, obj) == SMALL) | (home(cells, obj) == MAIN)

    fresh = layout.fresh(empty_lists(num_objects, 3))
    return Policy(fresh, np.zeros(len(Memo._fields), np.int64), holds, wants, advance)


def small_share(capacity: Int[Array, ""]) -> Int[Array, ""]:
    """A tenth of the capacity, for newcomers."""
    return capacity // 10


def main_share(capacity: Int[Array, ""]) -> Int[Array, ""]:
    """The rest."""
    return capacity - small_share(capacity)


def ghost_share(capacity: Int[Array, ""]) -> Int[Array, ""]:
    """Weight of the objects that are remembered after they left: nine tenths."""
    return 9 * capacity // 10
