"""Policies that rank what they hold, and evict the lowest: LFU, SIZE, GDSF, Belady and Belady with bypass.

A request costs log2 of the number of objects (the tournament); Belady with bypass, log2 of the number of requests more.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.envs.cache.trace.cells import Layout, together
from elsinore.envs.cache.trace.fenwick import add_weight, fenwick_size, sum_beyond
from elsinore.envs.cache.trace.oracle import NEVER_AGAIN
from elsinore.envs.cache.trace.policy import Change, Event, Policy
from elsinore.envs.cache.trace.queues import NONE, always
from elsinore.envs.cache.trace.tournament import NEVER, empty_tournament, leaves_for, rerank, winner


def lfu(num_objects: int, num_requests: int) -> Policy:
    """Evict what was used least often since it was stored; of those, what was used longest ago."""
    return _ranked(num_objects, lambda event, uses, before, memo: (uses, event.time))


def size(num_objects: int, num_requests: int) -> Policy:
    """Evict the largest; of those, what was stored first."""

    def rank(event, uses, before, memo):
        return -event.weight, jnp.where(event.hit, before, event.time)

    return _ranked(num_objects, rank)


def belady(num_objects: int, num_requests: int) -> Policy:
    """Evict what is used again last, which only an oracle knows (Belady 1966); of those, the lowest number."""
    return _ranked(num_objects, _furthest_first)


def _furthest_first(event, uses, before, memo):
    return -event.next_use, event.obj


def gdsf(num_objects: int, num_requests: int) -> Policy:
    """Greedy-Dual-Size-Frequency: a priority of uses per byte, on top of the last victim's priority.

    Ties go to what was used longest ago. Source: Cherkasova 1998, HP Labs HPL-98-69.
    """

    def rank(event, uses, before, memo):
        inflation = jax.lax.bitcast_convert_type(memo[0], jnp.float64)
        priority = inflation + uses.astype(jnp.float64) / event.weight.astype(jnp.float64)
        return jax.lax.bitcast_convert_type(priority, jnp.int64), event.time  # positive: the bits keep the order

    def inflated(memo, first):
        return first[None]

    return _ranked(num_objects, rank, np.zeros(1, np.int64), inflated)


def _ranked(
    num_objects: int, rank: Callable, memo: np.ndarray = NONE, on_leaving: Callable = lambda memo, first: memo
) -> Policy:
    """`rank(event, uses, before, memo)` gives an object's (first, second) when it is used; `before` was its second.
    `on_leaving(memo, first)` gives the memo when a victim of that first rank leaves."""
    leaves = leaves_for(num_objects)
    layout = Layout(first=leaves, second=leaves, winner=2 * leaves, uses=leaves)

    def advance(cells, memo, weights, event):
        victim = winner(layout, cells)
        node = jnp.where(event.evict, victim, event.obj)
        uses = jnp.where(event.hit, layout.read(cells, "uses", event.obj) + 1, 1)
        first, second = rank(event, uses, layout.read(cells, "second", event.obj), memo)
        first = jnp.where(event.evict, NEVER, first)
        happens = event.hit | event.evict | event.store
        writes = together(
            rerank(layout, cells, leaves, node, first, second, happens), layout.write("uses", node, uses, happens)
        )
        memo = jnp.where(event.evict, on_leaving(memo, layout.read(cells, "first", victim)), memo)
        return Change(writes, memo, jnp.where(event.evict, victim, -1))

    return Policy(layout.fresh(empty_tournament(leaves)), memo, competes(layout), always, advance)


def competes(layout: Layout) -> Callable:
    """`holds` of a policy that ranks exactly what it holds."""
    return lambda cells, obj: layout.read(cells, "first", obj) != NEVER


def belady_bypass(num_objects: int, num_requests: int) -> Policy:
    """As `belady`, but an object is turned away where room for it would cost one that is used no later, or where it
    is not used again at all. In objects this is the most hits there can be.

    Whether enough of what is cached is used later is known before anything is evicted: weights are summed by
    next use. What was to be used before now counts no more, as only later uses are asked for.
    """
    leaves, places = leaves_for(num_objects), num_requests + 1
    sizes = {"first": leaves, "second": leaves, "winner": 2 * leaves, "due": leaves}
    layout = Layout(**sizes, sums=fenwick_size(places))

    def place(next_use):
        return jnp.minimum(next_use, num_requests)  # all that is never used again, at one place after the last

    def wants(cells, memo, event: Event):
        later = sum_beyond(layout, cells, places, place(event.next_use))
        fits = event.used - later + event.weight <= event.capacity
        return (event.next_use != NEVER_AGAIN) & fits

    def advance(cells, memo, weights, event):
        victim = winner(layout, cells)
        node = jnp.where(event.evict, victim, event.obj)
        due = jnp.where(event.evict, layout.read(cells, "due", victim), place(event.next_use))
        first = jnp.where(event.evict, NEVER, -event.next_use)
        weight = jnp.where(event.evict, -weights[victim], event.weight)
        happens = event.hit | event.evict | event.store
        writes = together(
            rerank(layout, cells, leaves, node, first, node, happens),
            layout.write("due", node, due, happens),
            add_weight(layout, cells, places, due, weight, happens),
        )
        return Change(writes, memo, jnp.where(event.evict, victim, -1))

    return Policy(layout.fresh(empty_tournament(leaves)), NONE, competes(layout), wants, advance)
