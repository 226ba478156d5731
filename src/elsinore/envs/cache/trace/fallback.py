"""A heuristic to fall back on: LRU decides for a while whenever it would have hit more than who decides.

A second cache, of names alone, is kept by LRU on the same requests. Where the world's own cache falls `TRIAL` hits
behind it, LRU takes over for a pause, then decisions count again. Each failure doubles the next pause, and success ends
that: on a trace for which a policy was not made it costs a few trials, as many as the logarithm of the trace's length.
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Int

from elsinore.envs.cache.trace.slots import Slots, empty, leaving, stored, touched, without

TRIAL = 32  # hits that may be lost before LRU takes over, and that must be won before failures are forgotten
FIRST_PAUSE, LONGEST_PAUSE = 1_024, 1 << 24  # requests


@struct.dataclass
class Watch:
    """What the fallback remembers."""

    lru: Slots  # what LRU would hold
    lead: Int[Array, ""]  # hits beyond LRU's since the last pause, TRIAL at most
    pause: Int[Array, ""]  # requests for which LRU still decides
    next_pause: Int[Array, ""]


def begin_watch(num_slots: int) -> Watch:
    zero = jnp.int32(0)
    return Watch(empty(num_slots), zero, zero, jnp.int32(FIRST_PAUSE))


def watched(
    watch: Watch, obj: Int[Array, ""], weight: Int[Array, ""], now: Int[Array, ""], capacity: Int[Array, ""],
    hit: Bool[Array, ""], single: bool,
) -> Watch:  # fmt: skip
    """After a request, which was a `hit` or not in the world's own cache. `single` is that of `leaving`."""
    lru, lru_hit = touched(watch.lru, obj, now)
    wanted = (obj >= 0) & ~lru_hit & (weight <= capacity)
    excess = lru.used + weight - capacity
    gone = leaving(lru, lru.last, lru.last, excess, single) & wanted & ((excess > 0) | lru.filled.all())
    lru = stored(without(lru, gone, jnp.bool_(False)), obj, weight, now, wanted)
    deciding = watch.pause == 0
    lead = jnp.where(deciding, jnp.minimum(watch.lead + hit - lru_hit, TRIAL), 0)
    failed, proven = deciding & (lead <= -TRIAL), lead >= TRIAL
    later = jnp.where(failed, jnp.minimum(2 * watch.next_pause, LONGEST_PAUSE), watch.next_pause)
    return Watch(
        lru=lru,
        lead=jnp.where(failed, 0, lead),
        pause=jnp.where(failed, watch.next_pause, jnp.maximum(watch.pause - 1, 0)),
        next_pause=jnp.where(proven, FIRST_PAUSE, later),
    )
