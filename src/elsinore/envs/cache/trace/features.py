"""What the agent sees: the pending object, the cache, and those who might leave. Only the past is used."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.cache.trace.log import Log
from elsinore.envs.cache.trace.slots import Slots

NUM_GLOBALS, NUM_OF_ENTRY = 12, 8


def logs(x: Int[Array, "*n"], scale: float) -> Float[Array, "*n"]:
    """ln(1 + x) / scale."""
    return jnp.log1p(x.astype(jnp.float32)) / scale


def known(x: Int[Array, "*n"], present: Bool[Array, "*n"]) -> Float[Array, "*n"]:
    """A distance in requests, or 1 where there is none."""
    return jnp.where(present, logs(jnp.maximum(x, 0), 14.0), 1.0)


def of_pending(log: Log, pending: Int[Array, ""], most: Int[Array, ""]) -> Float[Array, "6"]:
    """Size, requests before, distance to the last one, the distance before that, class, and whether it is a repeat
    within `most` requests, as many as entries fit; zeros when nothing is pending."""
    at = jnp.maximum(pending, 0)
    last = log.previous[at]
    before = log.previous[jnp.maximum(last, 0)]
    repeat = (last >= 0) & (at - last <= most)
    seen = jnp.stack([
        logs(log.size[at], 20.0), logs(log.earlier[at], 12.0), known(at - last, last >= 0),
        known(last - before, (last >= 0) & (before >= 0)), classes(log, at), repeat.astype(jnp.float32),
    ])  # fmt: skip
    return jnp.where(pending >= 0, seen, 0.0)


def classes(log: Log, request: Int[Array, "*n"]) -> Float[Array, "*n"]:
    return jnp.maximum(log.cls[request], 0) / jnp.float32(32.0)


def of_cache(slots: Slots, capacity: Int[Array, ""], most: Int[Array, ""]) -> Float[Array, "3"]:
    """Share of the capacity used, entries of the `most` that fit, mean ln(1 + freq) / 8 of the entries."""
    entries = jnp.sum(slots.filled)
    mean_uses = jnp.sum(jnp.where(slots.filled, logs(slots.freq, 8.0), 0.0)) / jnp.maximum(entries, 1)
    return jnp.stack([slots.used / capacity, entries / most, mean_uses]).astype(jnp.float32)


def of_entries(
    log: Log, slots: Slots, which: Int[Array, "n"], there: Bool[Array, "n"], now: Int[Array, ""], most: Int[Array, ""]
) -> Float[Array, "n 8"]:
    """Of each slot named: age since use, age since insertion, uses, size, requests ever, last distance, class, and
    its rank by last use among the entries; zeros where nothing is `there`."""
    last, previous = slots.last[which], log.previous[slots.last[which]]
    older = jnp.sum(slots.filled & (slots.last < last[:, None]), axis=1)
    seen = [
        logs(now - last, 14.0), logs(now - slots.inserted[which], 14.0), logs(slots.freq[which], 8.0),
        logs(log.size[last], 20.0), logs(log.earlier[last] + 1, 12.0), known(last - previous, previous >= 0),
        classes(log, last), older.astype(jnp.float32) / most,
    ]  # fmt: skip
    return jnp.where(there[:, None], jnp.stack(seen, axis=1), 0.0)
