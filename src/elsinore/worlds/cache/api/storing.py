"""Storing of several objects in turn, each after evictions have made room for it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.api.contents import (
    Entry,
    eviction_order,
    insert_entry,
    remove_entries,
    slot_of,
)
from elsinore.worlds.cache.api.state import Contents
from elsinore.worlds.cache.api.tables import SLOTS


class StoreResult(NamedTuple):
    """Result of storing several objects in turn."""

    contents: Contents
    evicted: Int[Array, ""]
    wasted: Int[Array, ""]
    stored: Bool[Array, "place"]  # newly stored objects


class StoreCarry(NamedTuple):
    """Scan carry while objects are stored."""

    contents: Contents
    ahead: Int[Array, "slot"]  # bytes before this entry in the eviction order
    unpinned: Int[Array, ""]  # bytes
    entries: Int[Array, ""]


def store_sequentially(
    contents: Contents,
    line: Entry,
    wanted: Bool[Array, "place"],
    now: Float[Array, ""],
    capacity: Int[Array, ""],
) -> StoreResult:
    """Store each object of `line`, [place] each, that is wanted and still absent at its turn.

    Where `shortage` bytes are missing, all entries with fewer bytes ahead of them in the eviction
    order leave: the shortest prefix that makes room, found without a search. Evicted entries were
    ahead of all that stay, so one subtraction keeps `ahead` up to date. Sums over slots dominate
    the cost: evictions and wasted prefetches are the differences of totals before and after.
    """

    def turn(before: StoreCarry, place):
        contents, ahead, entries = before.contents, before.ahead, before.entries
        entry, wanted = place
        missing = wanted & ~slot_of(contents, entry.id).any()
        shortage = contents.used + entry.size - capacity
        slot_needed = (entries == SLOTS) & (ahead == 0)
        gone = missing & contents.filled & ((ahead < shortage) | slot_needed)
        left, _ = remove_entries(contents, gone)
        freed = contents.used - left.used
        unpinned = jnp.maximum(before.unpinned - freed, 0)  # pinned entries leave last
        after = insert_entry(left, entry, now, missing)
        added = after.used - left.used
        ahead = jnp.where(after.pinned, ahead - freed + added, ahead - freed)
        ahead = jnp.where(after.filled & ~left.filled, unpinned, ahead)
        entries = entries - jnp.sum(gone) + missing
        return StoreCarry(after, ahead, unpinned + added, entries), missing

    unpinned = jnp.sum(jnp.where(contents.filled & ~contents.pinned, contents.size, 0))
    before = StoreCarry(contents, bytes_ahead(contents), unpinned, contents.filled.sum())
    after, stored = jax.lax.scan(turn, before, (line, wanted))
    prefetched = jnp.sum(stored & line.unused)
    return StoreResult(
        contents=after.contents,
        evicted=before.entries + jnp.sum(stored) - after.entries,
        wasted=contents.unused.sum() + prefetched - after.contents.unused.sum(),
        stored=stored,
    )


def bytes_ahead(contents: Contents) -> Int[Array, "slot"]:
    """Bytes of all entries before each in the eviction order; summed over the first axis, which is
    faster."""
    order = eviction_order(contents)
    return jnp.sum(jnp.where(order[:, None] < order[None], contents.size[:, None], 0), axis=0)
