"""A rule to fall back on: it decides for a while whenever it would have hit more than who decides.

The rule is LRU where capacity is in objects and GDSF where it is in bytes. A second cache, of names alone, is kept by
it on the same requests. Where the world's own cache falls `TRIAL` hits behind, the rule takes over for a pause, then
decisions count again. Each failure doubles the next pause, and success ends that: on a trace for which a policy was
not made it costs a few trials, as many as the logarithm of the trace's length.
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Int

from elsinore.envs.cache.trace.decisions import Choice
from elsinore.envs.cache.trace.slots import Slots, empty, leaving, sortable, stored, touched, without

TRIAL = 32  # hits that may be lost before the rule takes over, and that must be won before failures are forgotten
FIRST_PAUSE, LONGEST_PAUSE = 1_024, 1 << 24  # requests


@struct.dataclass
class Watch:
    """What the fallback remembers."""

    held: Slots  # what the rule would hold
    lead: Int[Array, ""]  # hits beyond the rule's since the last pause, TRIAL at most
    pause: Int[Array, ""]  # requests for which the rule still decides
    next_pause: Int[Array, ""]


def rule(slots: Slots, single: bool) -> Choice:
    """Who leaves by LRU where a `single` one always makes room, else by GDSF."""
    first = slots.last if single else sortable(slots.priority)
    return Choice(first, slots.last, turned_away=jnp.bool_(False), by_priority=jnp.bool_(not single))


def begin_watch(num_slots: int) -> Watch:
    zero = jnp.int32(0)
    return Watch(empty(num_slots), zero, zero, jnp.int32(FIRST_PAUSE))


def watched(
    watch: Watch, obj: Int[Array, ""], weight: Int[Array, ""], now: Int[Array, ""], capacity: Int[Array, ""],
    hit: Bool[Array, ""], single: bool,
) -> Watch:  # fmt: skip
    """After a request, which was a `hit` or not in the world's own cache. `single` is that of `leaving`."""
    held, its_hit = touched(watch.held, obj, now)
    wanted = (obj >= 0) & ~its_hit & (weight <= capacity)
    excess, choice = held.used + weight - capacity, rule(held, single)
    crowded = (excess > 0) | held.filled.all()
    gone = leaving(held, choice.first, choice.second, excess, wanted & crowded, single)
    held = stored(without(held, gone, choice.by_priority), obj, weight, now, wanted)
    deciding = watch.pause == 0
    lead = jnp.where(deciding, jnp.minimum(watch.lead + hit - its_hit, TRIAL), 0)
    failed, proven = deciding & (lead <= -TRIAL), lead >= TRIAL
    later = jnp.where(failed, jnp.minimum(2 * watch.next_pause, LONGEST_PAUSE), watch.next_pause)
    return Watch(
        held=held,
        lead=jnp.where(failed, 0, lead),
        pause=jnp.where(failed, watch.next_pause, jnp.maximum(watch.pause - 1, 0)),
        next_pause=jnp.where(proven, FIRST_PAUSE, later),
    )
