"""Fallback rule: it takes over for a while whenever it would have hit more than the agent.

The rule is LRU for a capacity in objects and GDSF for one in bytes. It keeps a second cache, of
names alone, on the same requests. Where the environment's own cache falls `TRIAL` hits behind, the
rule decides during a pause, then the agent again. Each failure doubles the next pause, and success
resets it: on a trace that does not suit the policy this costs a few trials, as many as the
logarithm of the trace's length.
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.decisions import EvictionChoice
from elsinore.worlds.cache.trace.slots import (
    Slots,
    after_request,
    empty_slots,
    remove_slots,
    select_victims,
    sortable_bits,
    store_object,
)

# hits lost before the rule takes over, and hits won before failures are forgotten
TRIAL = 32
FIRST_PAUSE, LONGEST_PAUSE = 1_024, 1 << 24  # requests


@struct.dataclass
class FallbackState:
    """State of the fallback rule."""

    held: Slots  # the rule's own cache
    lead: Int[Array, ""]  # hits beyond the rule's since the last pause, TRIAL at most
    pause: Int[Array, ""]  # requests for which the rule still decides
    next_pause: Int[Array, ""]


def fallback_choice(slots: Slots, single: bool) -> EvictionChoice:
    """LRU where evicting a `single` entry always makes room, else GDSF."""
    first = slots.last if single else sortable_bits(slots.priority)
    return EvictionChoice(
        first, slots.last, rejected=jnp.bool_(False), by_priority=jnp.bool_(not single)
    )


def init_fallback(num_slots: int) -> FallbackState:
    zero = jnp.int32(0)
    return FallbackState(empty_slots(num_slots), zero, zero, jnp.int32(FIRST_PAUSE))


def update_fallback(
    watch: FallbackState,
    obj: Int[Array, ""],
    weight: Int[Array, ""],
    now: Int[Array, ""],
    capacity: Int[Array, ""],
    hit: Bool[Array, ""],
    single: bool,
) -> FallbackState:
    """Update after a request that was a `hit` or not in the environment's own cache. `single` is
    that of `select_victims`."""
    held, its_hit = after_request(watch.held, obj, now)
    wanted = (obj >= 0) & ~its_hit & (weight <= capacity)
    excess, choice = held.used + weight - capacity, fallback_choice(held, single)
    crowded = (excess > 0) | held.filled.all()
    gone = select_victims(held, choice.first, choice.second, excess, wanted & crowded, single)
    held = store_object(remove_slots(held, gone, choice.by_priority), obj, weight, now, wanted)
    deciding = watch.pause == 0
    lead = jnp.where(deciding, jnp.minimum(watch.lead + hit - its_hit, TRIAL), 0)
    failed, proven = deciding & (lead <= -TRIAL), lead >= TRIAL
    later = jnp.where(failed, jnp.minimum(2 * watch.next_pause, LONGEST_PAUSE), watch.next_pause)
    return FallbackState(
        held=held,
        lead=jnp.where(failed, 0, lead),
        pause=jnp.where(failed, watch.next_pause, jnp.maximum(watch.pause - 1, 0)),
        next_pause=jnp.where(proven, FIRST_PAUSE, later),
    )
