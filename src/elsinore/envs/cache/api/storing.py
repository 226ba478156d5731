"""How objects are stored one after another, each after as much has left as it needs room for."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.api.contents import Entry, entry_of, eviction_order, insert, remove
from elsinore.envs.cache.api.state import Contents
from elsinore.envs.cache.api.tables import SLOTS


class Stored(NamedTuple):
    """What a line of objects did to the cache."""

    contents: Contents
    evicted: Int[Array, ""]
    wasted: Int[Array, ""]
    stored: Bool[Array, "place"]  # which of them were not there and now were


class Line(NamedTuple):
    """The cache while a line of objects is stored."""

    contents: Contents
    ahead: Int[Array, "slot"]  # bytes that would leave before this entry does
    unpinned: Int[Array, ""]  # bytes
    entries: Int[Array, ""]


def store_in_turn(
    contents: Contents, line: Entry, wanted: Bool[Array, "place"], now: Float[Array, ""], capacity: Int[Array, ""]
) -> Stored:
    """Store each object of the line, [place] each, that is wanted and not there when its turn comes.

    Where `shortage` bytes are missing, all entries with less than that ahead of them leave: the shortest beginning
    of the eviction order that makes room, found without a search. What leaves was ahead of all that stays, so
    `ahead` is kept up by one subtraction. Sums over slots are what costs: evictions and wasted prefetches are
    told from what there was before and is afterwards.
    """

    def turn(before: Line, place):
        (contents, ahead, unpinned, entries), (entry, wanted) = before, place
        missing = wanted & ~entry_of(contents, entry.id).any()
        shortage = contents.used + entry.size - capacity
        gone = missing & contents.filled & ((ahead < shortage) | ((entries == SLOTS) & (ahead == 0)))
        left, _ = remove(contents, gone)
        freed = contents.used - left.used
        unpinned = jnp.maximum(unpinned - freed, 0)  # pinned entries leave last
        after = insert(left, entry, now, missing)
        added = after.used - left.used
        ahead = jnp.where(after.pinned, ahead - freed + added, ahead - freed)
        ahead = jnp.where(after.filled & ~left.filled, unpinned, ahead)
        return Line(after, ahead, unpinned + added, entries - jnp.sum(gone) + missing), missing

    unpinned = jnp.sum(jnp.where(contents.filled & ~contents.pinned, contents.size, 0))
    before = Line(contents, bytes_ahead(contents), unpinned, contents.filled.sum())
    after, stored = jax.lax.scan(turn, before, (line, wanted))
    prefetched = jnp.sum(stored & line.unused)
    return Stored(
        contents=after.contents,
        evicted=before.entries + jnp.sum(stored) - after.entries,
        wasted=contents.unused.sum() + prefetched - after.contents.unused.sum(),
        stored=stored,
    )


def bytes_ahead(contents: Contents) -> Int[Array, "slot"]:
    """The bytes of all entries that would make room before each; summed over the first axis, which is faster."""
    order = eviction_order(contents)
    return jnp.sum(jnp.where(order[:, None] < order[None], contents.size[:, None], 0), axis=0)
