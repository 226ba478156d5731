"""How an episode begins: at the profile's start, or, for a share of them, anywhere and in any condition."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, Num

from elsinore.envs.hamlet.profile import Profile
from elsinore.envs.hamlet.rules import Params, State
from elsinore.envs.hamlet.tables import NOTHING, Tables, tables


def begin(profile: Profile, key: Key[Array, ""], place_key: Key[Array, ""], params: Params) -> State:
    """A fresh episode; `place_key` draws where affordances are, `key` all else."""
    cells, ground = placed(profile, place_key)
    cell_key, start_key = jax.random.split(key)

    def standard() -> tuple[Array, Array]:
        fixed = None if profile.start == "random" else jnp.int32(_number(profile, *profile.start))
        cell = _free_cell(profile, cell_key, ground) if fixed is None else fixed
        return cell, jnp.asarray(tables(profile).initial)

    def anywhere() -> tuple[Array, Array]:
        share_key, free_key, meter_key = jax.random.split(start_key, 3)
        chosen = jax.random.uniform(share_key) < params.random_start_share
        random = _free_cell(profile, free_key, ground), _random_meters(tables(profile), meter_key, params)
        return jax.tree.map(lambda x, y: jnp.where(chosen, x, y), random, standard())

    # Under vmap this stays a branch as long as all the envs share their params: no draw where none is random.
    cell, meters = jax.lax.cond(jnp.asarray(params.random_start_share) > 0, anywhere, standard)
    return state_at(profile, cell, meters, cells, ground)


def state_at(
    profile: Profile,
    cell: Int[Array, ""],
    meters: Num[Array, "meter"],
    cells: Int[Array, "affordance"] | None,
    ground: Int[Array, "cell"] | None,
) -> State:
    """The state of an agent in `cell` with `meters` (in units); where the profile fixes all cells they are None.

    Not empty arrays: XLA crashes where such are sharded.
    """
    return State(
        time=jnp.int32(0),
        position=jnp.stack([cell % profile.grid[0], cell // profile.grid[0]]).astype(jnp.int32),
        moved=jnp.zeros(2, jnp.int32),
        meters=meters,
        using=jnp.int32(NOTHING),
        progress=jnp.int32(0),
        cells=cells,
        ground=ground,
    )


def placed(profile: Profile, key: Key[Array, ""]) -> tuple[Int[Array, "affordance"] | None, Int[Array, "cell"] | None]:
    """Where everything is in an episode, by affordance and by cell; None where the profile fixes it.

    What is drawn gets cells of its own, none a fixed one's or the fixed start.
    """
    if not profile.drawn:
        return None, None
    world, drawn = tables(profile), np.array(profile.drawn, np.int8)
    free = world.fixed_ground < 0
    if profile.start != "random":
        free[_number(profile, *profile.start)] = False
    order = _order(key, len(free), free)
    fallen = jnp.asarray(np.append(drawn, NOTHING))[jnp.minimum(order, len(drawn))]
    ground = jnp.where(fallen >= 0, fallen, world.fixed_ground)
    return on_cells(profile, ground), ground


def on_cells(profile: Profile, ground: Int[Array, "cell"]) -> Int[Array, "affordance"]:
    """The cell of each affordance, or NOTHING, from what is in each cell."""
    there = ground == np.arange(len(profile.affordances), dtype=np.int8)[:, None]
    return jnp.max(jnp.where(there, np.arange(ground.size, dtype=np.int16), np.int16(NOTHING)), axis=1)


def on_ground(profile: Profile, cells: Int[Array, "affordance"]) -> Int[Array, "cell"]:
    """What is in each cell, or NOTHING, from the cell of each affordance."""
    there = np.arange(profile.grid[0] * profile.grid[1]) == cells[:, None]
    return jnp.max(jnp.where(there, np.arange(len(cells), dtype=np.int8)[:, None], np.int8(NOTHING)), axis=0)


def _order(key: Key[Array, ""], count: int, first: np.ndarray) -> Int[Array, "item"]:
    """The place of each item in a random order in which those of `first` come before the others.

    By counting for each how many come before it: small sorts side by side take a CPU eight times as long. The item's
    number is in the low bits of its random one, so that no two are equal.
    """
    low_bits = np.uint32((1 << count.bit_length()) - 1)
    random = (jax.random.bits(key, (count,)) >> 1) & ~low_bits | np.arange(count, dtype=np.uint32)
    random |= np.where(first, 0, 2**31).astype(np.uint32)
    return jax.lax.fori_loop(0, count, lambda i, before: before + (random[i] < random), jnp.zeros(count, jnp.int16))


def _number(profile: Profile, x: int, y: int) -> int:
    return x + y * profile.grid[0]


def _free_cell(profile: Profile, key: Key[Array, ""], ground: Array | None) -> Int[Array, ""]:
    """Any cell, where the profile fixes all affordances; else any without one."""
    count = profile.grid[0] * profile.grid[1]
    if ground is None:
        return jax.random.randint(key, (), 0, count)
    free = ground < 0
    chosen = jax.random.randint(key, (), 0, count - len(profile.placed))  # of the free ones
    return jnp.argmax(free & (jnp.cumsum(free) == chosen + 1)).astype(jnp.int32)


def _random_meters(world: Tables, key: Key[Array, ""], params: Params) -> Num[Array, "meter"]:
    low, high = (jnp.asarray(x, jnp.float32) for x in (params.start_low, params.start_high))
    drawn = low + (high - low) * jax.random.uniform(key, world.low.shape)
    return jnp.clip(world.units(drawn), world.low, world.high)
