"""Ranking policies, which evict the lowest rank: LFU, SIZE, GDSF, Belady and Belady with bypass.

A request costs log2 of the number of objects (the tournament); Belady with bypass, log2 of the
number of requests more.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.worlds.cache.trace.cells import CellLayout, merge_writes
from elsinore.worlds.cache.trace.fenwick import add_weight, fenwick_size, sum_beyond
from elsinore.worlds.cache.trace.oracle import NEVER_AGAIN
from elsinore.worlds.cache.trace.policy import CacheEvent, EvictionPolicy, PolicyStep
from elsinore.worlds.cache.trace.queues import NO_MEMO, admit_all
from elsinore.worlds.cache.trace.tournament import (
    NOT_RANKED,
    empty_tournament,
    leaves_for,
    rerank,
    winner,
)


def lfu(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict the least frequently used since it was stored; ties to the least recently used."""
    return _ranked(num_objects, lambda event, uses, before, memo: (uses, event.time))


def size(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict the largest; ties to the first stored."""

    def rank(event, uses, before, memo):
        return -event.weight, jnp.where(event.hit, before, event.time)

    return _ranked(num_objects, rank)


def belady(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Evict the object with the furthest next use (Belady 1966; needs the future); ties to the
    lowest number."""
    return _ranked(num_objects, _furthest_first)


def _furthest_first(event, uses, before, memo):
    return -event.next_use, event.obj


def gdsf(num_objects: int, num_requests: int) -> EvictionPolicy:
    """Greedy-Dual-Size-Frequency: priority = uses per byte + priority of the last victim.

    Ties go to the least recently used. Source: Cherkasova 1998, HP Labs HPL-98-69.
    """

    def rank(event, uses, before, memo):
        inflation = jax.lax.bitcast_convert_type(memo[0], jnp.float64)
        priority = inflation + uses.astype(jnp.float64) / event.weight.astype(jnp.float64)
        # positive: the bits keep the order
        return jax.lax.bitcast_convert_type(priority, jnp.int64), event.time

    def inflated(memo, first):
        return first[None]

    return _ranked(num_objects, rank, np.zeros(1, np.int64), inflated)


def _ranked(
    num_objects: int,
    rank: Callable,
    memo: np.ndarray = NO_MEMO,
    on_leaving: Callable = lambda memo, first: memo,
) -> EvictionPolicy:
    """A policy by rank. `rank(event, uses, before, memo)` gives (first, second) of an object in
    use, where `before` was its second; `on_leaving(memo, first)` gives the memo after a victim of
    that first rank."""
    leaves = leaves_for(num_objects)
    layout = CellLayout(first=leaves, second=leaves, winner=2 * leaves, uses=leaves)

    def advance(cells, memo, weights, event):
        victim = winner(layout, cells)
        node = jnp.where(event.evict, victim, event.obj)
        uses = jnp.where(event.hit, layout.read(cells, "uses", event.obj) + 1, 1)
        first, second = rank(event, uses, layout.read(cells, "second", event.obj), memo)
        first = jnp.where(event.evict, NOT_RANKED, first)
        happens = event.hit | event.evict | event.store
        writes = merge_writes(
            rerank(layout, cells, leaves, node, first, second, happens),
            layout.write("uses", node, uses, happens),
        )
        memo = jnp.where(event.evict, on_leaving(memo, layout.read(cells, "first", victim)), memo)
        return PolicyStep(writes, memo, jnp.where(event.evict, victim, -1))

    return EvictionPolicy(
        layout.fresh(empty_tournament(leaves)), memo, holds_ranked(layout), admit_all, advance
    )


def holds_ranked(layout: CellLayout) -> Callable:
    """`holds` of a policy that ranks exactly the cached objects."""
    return lambda cells, obj: layout.read(cells, "first", obj) != NOT_RANKED


def belady_bypass(num_objects: int, num_requests: int) -> EvictionPolicy:
    """As `belady`, but reject an object if it is never used again, or if room for it would cost one
    used no later. In objects this gives the most hits possible.

    Weights summed by next use show, before any eviction, whether enough is used later. Sums of past
    uses may stay: queries ask for later ones only.
    """
    leaves, places = leaves_for(num_objects), num_requests + 1
    sizes = {"first": leaves, "second": leaves, "winner": 2 * leaves, "due": leaves}
    layout = CellLayout(**sizes, sums=fenwick_size(places))

    def place(next_use):
        # all that is never used again, at one place after the last
        return jnp.minimum(next_use, num_requests)

    def wants(cells, memo, event: CacheEvent):
        later = sum_beyond(layout, cells, places, place(event.next_use))
        fits = event.used - later + event.weight <= event.capacity
        return (event.next_use != NEVER_AGAIN) & fits

    def advance(cells, memo, weights, event):
        victim = winner(layout, cells)
        node = jnp.where(event.evict, victim, event.obj)
        due = jnp.where(event.evict, layout.read(cells, "due", victim), place(event.next_use))
        first = jnp.where(event.evict, NOT_RANKED, -event.next_use)
        weight = jnp.where(event.evict, -weights[victim], event.weight)
        happens = event.hit | event.evict | event.store
        writes = merge_writes(
            rerank(layout, cells, leaves, node, first, node, happens),
            layout.write("due", node, due, happens),
            add_weight(layout, cells, places, due, weight, happens),
        )
        return PolicyStep(writes, memo, jnp.where(event.evict, victim, -1))

    return EvictionPolicy(
        layout.fresh(empty_tournament(leaves)), NO_MEMO, holds_ranked(layout), wants, advance
    )
