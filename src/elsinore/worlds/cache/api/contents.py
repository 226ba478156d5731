"""Operations on the cache's contents. Masks over the slots name entries: up to 64, often none."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.api.state import Contents
from elsinore.worlds.cache.api.tables import SLOTS

NEVER = jnp.iinfo(jnp.int32).max  # above every stamp
PIN = 2**30  # added to the stamp of what is pinned: above every stamp that is not
OFTEN = 15  # requests beyond which an object is no more popular


class Entry(NamedTuple):
    """An object about to be stored."""

    id: Int[Array, "..."]
    size: Int[Array, "..."]
    ttl: Float[Array, "..."]
    count: Int[Array, "..."]
    prob: Float[Array, "..."]
    unused: Bool[Array, "..."]


def slot_of(contents: Contents, obj: Int[Array, ""]) -> Bool[Array, "slot"]:
    """Mask of the slot that holds an object; all false where none does."""
    return (contents.id == obj) & (obj >= 0)


def smallest_stamp(stamp: Int[Array, "slot"], among: Bool[Array, "slot"]) -> Bool[Array, "slot"]:
    """Mask of the slot with the smallest stamp among some; stamps do not tie."""
    stamp = jnp.where(among, stamp, NEVER)
    return among & (stamp == stamp.min())


def lru_slot(contents: Contents) -> Bool[Array, "slot"]:
    """Mask of the LRU entry, pinned or not."""
    return smallest_stamp(contents.touch, contents.filled)


def eviction_order(contents: Contents) -> Int[Array, "slot"]:
    """Rank for making room, smallest first: unpinned entries by LRU, then pinned ones by LRU."""
    return jnp.where(contents.filled, contents.touch + PIN * contents.pinned, NEVER)


def popularity(count: Int[Array, "..."]) -> Float[Array, "..."]:
    """Request count scaled to 0 .. 1/2."""
    return jnp.minimum(count, OFTEN) / jnp.float32(2 * OFTEN)


def scores(contents: Contents) -> Float[Array, "slot"]:
    """Remembered prediction plus popularity of each entry; infinite in free slots."""
    return jnp.where(contents.filled, contents.prob + popularity(contents.count), jnp.inf)


def lowest_score(contents: Contents) -> tuple[Bool[Array, "slot"], Float[Array, ""]]:
    """Mask of the entry with the lowest score, ties to the LRU one; and that score."""
    score = scores(contents)
    lowest = score.min()
    return smallest_stamp(contents.touch, contents.filled & (score == lowest)), lowest


def remove_entries(
    contents: Contents, gone: Bool[Array, "slot"]
) -> tuple[Contents, Int[Array, ""]]:
    """Contents without these entries, and the number of unused prefetches among them."""
    left = contents.replace(
        id=jnp.where(gone, -1, contents.id),
        prob=jnp.where(gone, 0.0, contents.prob),
        unused=contents.unused & ~gone,
        pinned=contents.pinned & ~gone,
        used=contents.used - jnp.sum(jnp.where(gone, contents.size, 0)),
    )
    return left, jnp.sum(gone & contents.unused)


def free_slot(contents: Contents) -> Int[Array, ""]:
    """The lowest-numbered free slot; SLOTS where none is free."""
    return jnp.min(jnp.where(contents.filled, SLOTS, jnp.arange(SLOTS)))


def insert_entry(
    contents: Contents, entry: Entry, now: Float[Array, ""], wanted: Bool[Array, ""]
) -> Contents:
    """Insert an entry as the most recent, if it is wanted; the caller has made room."""
    here = (jnp.arange(SLOTS) == free_slot(contents)) & wanted
    clock = contents.clock + wanted
    put = lambda new, old: jnp.where(here, new, old)  # noqa: E731
    return contents.replace(
        id=put(entry.id, contents.id),
        size=put(entry.size, contents.size),
        ttl=put(entry.ttl, contents.ttl),
        count=put(entry.count, contents.count),
        born=put(now, contents.born),
        touch=put(clock, contents.touch),
        prob=put(entry.prob, contents.prob),
        unused=put(entry.unused, contents.unused),
        pinned=contents.pinned & ~here,
        clock=clock,
        used=contents.used + jnp.where(wanted, entry.size, 0),
    )
