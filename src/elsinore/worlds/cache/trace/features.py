"""Features of the pending object, the cache, and entries. They use the past only."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.cache.trace.log import TraceLog
from elsinore.worlds.cache.trace.slots import Slots

NUM_GLOBALS, NUM_OF_ENTRY = 12, 8


def log_scaled(x: Int[Array, "*n"], scale: float) -> Float[Array, "*n"]:
    """ln(1 + x) / scale."""
    return jnp.log1p(x.astype(jnp.float32)) / scale


def log_distance(x: Int[Array, "*n"], present: Bool[Array, "*n"]) -> Float[Array, "*n"]:
    """Scaled log of a distance in requests, or 1 where there is none."""
    return jnp.where(present, log_scaled(jnp.maximum(x, 0), 14.0), 1.0)


def pending_features(
    log: TraceLog, pending: Int[Array, ""], most: Int[Array, ""]
) -> Float[Array, "6"]:
    """[6]: size, earlier requests, distance to the last one, the distance before that, class, and
    whether the object was requested in the last `most` requests (`most`: entries that fit); zeros
    when nothing is pending."""
    at = jnp.maximum(pending, 0)
    last = log.previous[at]
    before = log.previous[jnp.maximum(last, 0)]
    repeat = (last >= 0) & (at - last <= most)
    seen = jnp.stack(
        [
            log_scaled(log.size[at], 20.0),
            log_scaled(log.earlier[at], 12.0),
            log_distance(at - last, last >= 0),
            log_distance(last - before, (last >= 0) & (before >= 0)),
            class_feature(log, at),
            repeat.astype(jnp.float32),
        ]
    )
    return jnp.where(pending >= 0, seen, 0.0)


def class_feature(log: TraceLog, request: Int[Array, "*n"]) -> Float[Array, "*n"]:
    return jnp.clip(log.cls[request], 0, 64) / jnp.float32(32.0)


def cache_features(
    slots: Slots, capacity: Int[Array, ""], most: Int[Array, ""]
) -> Float[Array, "3"]:
    """[3]: share of the capacity used, share of `most` entries filled, mean ln(1 + freq) / 8."""
    entries = jnp.sum(slots.filled)
    mean_uses = jnp.sum(jnp.where(slots.filled, log_scaled(slots.freq, 8.0), 0.0)) / jnp.maximum(
        entries, 1
    )
    return jnp.stack([slots.used / capacity, entries / most, mean_uses]).astype(jnp.float32)


def entry_features(
    log: TraceLog,
    slots: Slots,
    which: Int[Array, "n"],
    there: Bool[Array, "n"],
    now: Int[Array, ""],
    most: Int[Array, ""],
) -> Float[Array, "n 8"]:
    """[n, 8]: age since use, age since insertion, uses, size, requests ever, last distance, class,
    and rank by last use of each slot in `which`; zeros where `there` is false."""
    last, previous = slots.last[which], log.previous[slots.last[which]]
    older = jnp.sum(slots.filled & (slots.last < last[:, None]), axis=1)
    seen = [
        log_scaled(now - last, 14.0),
        log_scaled(now - slots.inserted[which], 14.0),
        log_scaled(slots.freq[which], 8.0),
        log_scaled(log.size[last], 20.0),
        log_scaled(log.earlier[last] + 1, 12.0),
        log_distance(last - previous, previous >= 0),
        class_feature(log, last),
        older.astype(jnp.float32) / most,
    ]
    return jnp.where(there[:, None], jnp.stack(seen, axis=1), 0.0)
