"""First states of episodes: the profile's start, or, for a share of them, any cell and any
meters."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, Num

from elsinore.worlds.hamlet.profile import Profile
from elsinore.worlds.hamlet.rules import HamletParams, HamletState
from elsinore.worlds.hamlet.tables import NO_AFFORDANCE, ProfileTables, profile_tables


def first_state(
    profile: Profile, key: Key[Array, ""], place_key: Key[Array, ""], params: HamletParams
) -> HamletState:
    """First state of an episode; `place_key` draws the cells of affordances, `key` all else."""
    cells, ground = placed(profile, place_key)
    cell_key, start_key = jax.random.split(key)

    def standard() -> tuple[Array, Array]:
        fixed = None if profile.start == "random" else jnp.int32(_number(profile, *profile.start))
        cell = _free_cell(profile, cell_key, ground) if fixed is None else fixed
        return cell, jnp.asarray(profile_tables(profile).initial)

    def anywhere() -> tuple[Array, Array]:
        share_key, free_key, meter_key = jax.random.split(start_key, 3)
        chosen = jax.random.uniform(share_key) < params.random_start_share
        random = (
            _free_cell(profile, free_key, ground),
            _random_meters(profile_tables(profile), meter_key, params),
        )
        return jax.tree.map(lambda x, y: jnp.where(chosen, x, y), random, standard())

    # Under vmap this stays a branch as long as all the envs share their params: no draw where none
    # is random.
    cell, meters = jax.lax.cond(jnp.asarray(params.random_start_share) > 0, anywhere, standard)
    return state_at(profile, cell, meters, cells, ground)


def state_at(
    profile: Profile,
    cell: Int[Array, ""],
    meters: Num[Array, "meter"],
    cells: Int[Array, "affordance"] | None,
    ground: Int[Array, "cell"] | None,
) -> HamletState:
    """First state of an agent in `cell` with `meters` (in units); cells and ground are None where
    the profile fixes them.

    Not empty arrays: XLA crashes where such are sharded.
    """
    return HamletState(
        time=jnp.int32(0),
        position=jnp.stack([cell % profile.grid[0], cell // profile.grid[0]]).astype(jnp.int32),
        moved=jnp.zeros(2, jnp.int32),
        meters=meters,
        using=jnp.int32(NO_AFFORDANCE),
        progress=jnp.int32(0),
        cells=cells,
        ground=ground,
    )


def placed(
    profile: Profile, key: Key[Array, ""]
) -> tuple[Int[Array, "affordance"] | None, Int[Array, "cell"] | None]:
    """Cell of each affordance and affordance of each cell; None where the profile fixes them.

    Each drawn affordance gets a free cell that is not the fixed start.
    """
    if not profile.drawn:
        return None, None
    world, drawn = profile_tables(profile), np.array(profile.drawn, np.int8)
    free = world.fixed_ground < 0
    if profile.start != "random":
        free[_number(profile, *profile.start)] = False
    order = _order(key, len(free), free)
    fallen = jnp.asarray(np.append(drawn, NO_AFFORDANCE))[jnp.minimum(order, len(drawn))]
    ground = jnp.where(fallen >= 0, fallen, world.fixed_ground)
    return cells_from_ground(profile, ground), ground


def cells_from_ground(profile: Profile, ground: Int[Array, "cell"]) -> Int[Array, "affordance"]:
    """Cell of each affordance, or NO_AFFORDANCE."""
    there = ground == np.arange(len(profile.affordances), dtype=np.int8)[:, None]
    return jnp.max(
        jnp.where(there, np.arange(ground.size, dtype=np.int16), np.int16(NO_AFFORDANCE)), axis=1
    )


def ground_from_cells(profile: Profile, cells: Int[Array, "affordance"]) -> Int[Array, "cell"]:
    """Affordance in each cell, or NO_AFFORDANCE."""
    there = np.arange(profile.grid[0] * profile.grid[1]) == cells[:, None]
    return jnp.max(
        jnp.where(there, np.arange(len(cells), dtype=np.int8)[:, None], np.int8(NO_AFFORDANCE)),
        axis=0,
    )


def _order(key: Key[Array, ""], count: int, first: np.ndarray) -> Int[Array, "item"]:
    """Place of each item in a random order in which those of `first` come before the others.

    Counts for each item those before it: batched small sorts take a CPU eight times as long. The
    item's number in the low bits of its random number breaks ties.
    """
    low_bits = np.uint32((1 << count.bit_length()) - 1)
    random = (jax.random.bits(key, (count,)) >> 1) & ~low_bits | np.arange(count, dtype=np.uint32)
    random |= np.where(first, 0, 2**31).astype(np.uint32)
    return jax.lax.fori_loop(
        0, count, lambda i, before: before + (random[i] < random), jnp.zeros(count, jnp.int16)
    )


def _number(profile: Profile, x: int, y: int) -> int:
    return x + y * profile.grid[0]


def _free_cell(profile: Profile, key: Key[Array, ""], ground: Array | None) -> Int[Array, ""]:
    """A random cell: any, where the profile fixes all affordances; else one without an
    affordance."""
    count = profile.grid[0] * profile.grid[1]
    if ground is None:
        return jax.random.randint(key, (), 0, count)
    free = ground < 0
    chosen = jax.random.randint(key, (), 0, count - len(profile.placed))  # of the free ones
    return jnp.argmax(free & (jnp.cumsum(free) == chosen + 1)).astype(jnp.int32)


def _random_meters(
    world: ProfileTables, key: Key[Array, ""], params: HamletParams
) -> Num[Array, "meter"]:
    low, high = (jnp.asarray(x, jnp.float32) for x in (params.start_low, params.start_high))
    drawn = low + (high - low) * jax.random.uniform(key, world.low.shape)
    return jnp.clip(world.units(drawn), world.low, world.high)
