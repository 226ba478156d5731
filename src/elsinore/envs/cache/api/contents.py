"""What can be done to the contents of the cache. Entries are told by masks over the slots: at most 64, often none."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.api.state import Contents
from elsinore.envs.cache.api.tables import SLOTS

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


def entry_of(contents: Contents, obj: Int[Array, ""]) -> Bool[Array, "slot"]:
    """Where that object is, if it is anywhere."""
    return (contents.id == obj) & (obj >= 0)


def earliest(stamp: Int[Array, "slot"], among: Bool[Array, "slot"]) -> Bool[Array, "slot"]:
    """Where among these the stamp is smallest; stamps do not tie."""
    stamp = jnp.where(among, stamp, NEVER)
    return among & (stamp == stamp.min())


def least_recent(contents: Contents) -> Bool[Array, "slot"]:
    """The LRU entry, pinned or not."""
    return earliest(contents.touch, contents.filled)


def eviction_order(contents: Contents) -> Int[Array, "slot"]:
    """The smallest makes room first: LRU entries of those that are not pinned, then of those that are."""
    return jnp.where(contents.filled, contents.touch + PIN * contents.pinned, NEVER)


def popularity(count: Int[Array, "..."]) -> Float[Array, "..."]:
    """0 .. 1/2."""
    return jnp.minimum(count, OFTEN) / jnp.float32(2 * OFTEN)


def promise(contents: Contents) -> Float[Array, "slot"]:
    """The score of each entry: how likely it seemed to be asked for, and how often it was; infinite where none is."""
    return jnp.where(contents.filled, contents.prob + popularity(contents.count), jnp.inf)


def least_promising(contents: Contents) -> tuple[Bool[Array, "slot"], Float[Array, ""]]:
    """The entry of the smallest score, ties to the LRU one, and its score."""
    score = promise(contents)
    lowest = score.min()
    return earliest(contents.touch, contents.filled & (score == lowest)), lowest


def remove(contents: Contents, gone: Bool[Array, "slot"]) -> tuple[Contents, Int[Array, ""]]:
    """The contents without these entries, and how many of them were prefetches that nobody had used."""
    left = contents.replace(
        id=jnp.where(gone, -1, contents.id),
        prob=jnp.where(gone, 0.0, contents.prob),
        unused=contents.unused & ~gone,
        pinned=contents.pinned & ~gone,
        used=contents.used - jnp.sum(jnp.where(gone, contents.size, 0)),
    )
    return left, jnp.sum(gone & contents.unused)


def free_slot(contents: Contents) -> Int[Array, ""]:
    """The lowest-numbered free slot; SLOTS where none is."""
    return jnp.min(jnp.where(contents.filled, SLOTS, jnp.arange(SLOTS)))


def insert(contents: Contents, entry: Entry, now: Float[Array, ""], wanted: Bool[Array, ""]) -> Contents:
    """The contents with this entry as the most recent, if it is wanted; the caller has made room."""
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
