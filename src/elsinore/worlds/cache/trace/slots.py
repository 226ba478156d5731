"""The cache of Cache-trace: a fixed number of slots, their entries, and the experts' ranks.

Every operation looks at all slots at once: a step costs as much as there are slots, whatever the
trace.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

FREE = -1
EXPERTS = ("lru", "fifo", "lfu", "size", "gdsf", "random")  # the rows of `expert_ranks`


@struct.dataclass
class Slots:
    """Arrays of one entry per slot; times are indices of requests."""

    obj: Int[Array, "slot"]  # FREE: nothing
    weight: Int[Array, "slot"]
    inserted: Int[Array, "slot"]
    last: Int[Array, "slot"]  # stored or hit
    freq: Int[Array, "slot"]  # 1 when stored, and 1 a hit
    priority: Float[Array, "slot"]  # GDSF's
    draw: Float[Array, "slot"]  # random number of this step
    inflation: Float[Array, ""]  # GDSF's

    @property
    def filled(self) -> Bool[Array, "slot"]:
        return self.obj != FREE

    @property
    def used(self) -> Int[Array, ""]:
        return jnp.sum(self.weight)


def empty_slots(num_slots: int) -> Slots:
    """A cold cache. Priorities have the precision that jax is set to: exact counts of GDSF need
    `jax_enable_x64`."""
    zeros, priority = jnp.zeros(num_slots, jnp.int32), jnp.zeros(num_slots, float)
    draw = jnp.zeros(num_slots, jnp.float32)
    return Slots(zeros + FREE, zeros, zeros, zeros, zeros, priority, draw, jnp.zeros((), float))


def after_request(
    slots: Slots, obj: Int[Array, ""], now: Int[Array, ""]
) -> tuple[Slots, Bool[Array, ""]]:
    """Slots after a request, and whether it was a hit."""
    here = slots.obj == obj
    freq = slots.freq + here
    priority = slots.inflation + freq / jnp.maximum(slots.weight, 1).astype(slots.priority.dtype)
    return (
        slots.replace(
            last=jnp.where(here, now, slots.last),
            freq=freq,
            priority=jnp.where(here, priority, slots.priority),
        ),
        here.any(),
    )


def store_object(
    slots: Slots,
    obj: Int[Array, ""],
    weight: Int[Array, ""],
    now: Int[Array, ""],
    when: Bool[Array, ""],
) -> Slots:
    """Store an object in the first free slot, which must exist, where `when` is true."""
    here = when & (jnp.arange(slots.obj.size) == jnp.argmin(slots.filled))
    priority = slots.inflation + 1 / weight.astype(slots.priority.dtype)
    fresh = {
        "obj": obj,
        "weight": weight,
        "inserted": now,
        "last": now,
        "freq": 1,
        "priority": priority,
    }
    return slots.replace(
        **{name: jnp.where(here, value, getattr(slots, name)) for name, value in fresh.items()}
    )


def expert_ranks(slots: Slots) -> tuple[Int[Array, "expert slot"], Int[Array, "expert slot"]]:
    """First and second rank of each slot by each expert: the lowest leaves first. Free slots are
    ranked too."""
    priority, draw = sortable_bits(slots.priority), sortable_bits(slots.draw)
    firsts = (slots.last, slots.inserted, slots.freq, -slots.weight, priority, draw)
    seconds = (slots.last, slots.last, slots.last, slots.inserted, slots.last, slots.last)
    return jnp.stack([x.astype(priority.dtype) for x in firsts]), jnp.stack(seconds)


def sortable_bits(x: Float[Array, "*n"]) -> Int[Array, "*n"]:
    """Bits of non-negative floats, as integers of the same order."""
    return jax.lax.bitcast_convert_type(x, jnp.int64 if x.dtype == jnp.float64 else jnp.int32)


def lowest_ranked(
    first: Int[Array, "slot"], second: Int[Array, "slot"], filled: Bool[Array, "slot"]
) -> Int[Array, ""]:
    """The filled slot of the lowest rank."""
    most = jnp.iinfo(first.dtype).max
    least = jnp.min(jnp.where(filled, first, most))
    return jnp.argmin(jnp.where(filled & (first == least), second, jnp.iinfo(second.dtype).max))


def select_victims(
    slots: Slots,
    first: Int[Array, "slot"],
    second: Int[Array, "slot"],
    excess: Int[Array, ""],
    wanted: Bool[Array, ""],
    single: bool,
) -> Bool[Array, "slot"]:
    """Mask of the slots to evict where room is `wanted`: lowest rank first, until `excess` weight
    is freed, at least one if all slots are filled.

    `single`: one entry always makes room. A loop finds one after another, as two or three nearly
    always do: a sort of all slots costs as much as hundreds.
    """
    places = jnp.arange(first.size)
    if single:
        return (places == lowest_ranked(first, second, slots.filled)) & slots.filled & wanted

    def more(carry):
        gone, freed = carry
        crowded = slots.filled.all() & ~gone.any()
        return wanted & ((freed < excess) | crowded) & (slots.filled & ~gone).any()

    def one_more(carry):
        gone, freed = carry
        victim = lowest_ranked(first, second, slots.filled & ~gone)
        return gone | (places == victim), freed + slots.weight[victim]

    return jax.lax.while_loop(
        more, one_more, (jnp.zeros_like(slots.filled), jnp.zeros_like(excess))
    )[0]


def remove_slots(slots: Slots, gone: Bool[Array, "slot"], by_priority: Bool[Array, ""]) -> Slots:
    """Slots after evictions. GDSF's inflation becomes the highest evicted priority where GDSF
    chose, else the lowest priority there was."""
    lowest_priority = jnp.min(jnp.where(slots.filled, slots.priority, jnp.inf))
    highest_gone = jnp.max(jnp.where(gone, slots.priority, 0.0))
    inflation = jnp.maximum(slots.inflation, jnp.where(by_priority, highest_gone, lowest_priority))
    return slots.replace(
        obj=jnp.where(gone, FREE, slots.obj),
        weight=jnp.where(gone, 0, slots.weight),
        inflation=jnp.where(gone.any(), inflation, slots.inflation),
    )
