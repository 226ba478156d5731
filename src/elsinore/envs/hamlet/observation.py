"""What an agent sees: the original's vectors, or a one-hot cell with the meters."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.hamlet.profile import WINDOW, Profile
from elsinore.envs.hamlet.rules import DAY, Params, State, cells, ground, here, hour
from elsinore.envs.hamlet.tables import NOTHING, tables

View = Literal["full", "5x5"]
REACH = WINDOW // 2
LONGEST_USE = 10.0  # ticks, by which the original divides progress


def codes(profile: Profile, view: View, state: State) -> Float[Array, "obs"]:
    """[2 + meters + cells]: position, meters from 0 to 1, then the code of what is in each cell of the grid or window.

    The agent's code stands over that of whatever is in its cell; cells off the grid show 0.
    """
    world = tables(profile)
    code = jnp.asarray(np.array([*profile.codes, 0], np.float32))  # the last of nothing
    if view == "full":
        cell = state.position[1] * world.width + state.position[0]
        grid = jnp.where(np.arange(world.width * world.height) == cell, profile.agent_code, code[ground(world, state)])
    else:
        grid = code[_window(profile, state)].at[WINDOW * WINDOW // 2].set(profile.agent_code)
    return jnp.concatenate([_scaled(profile, state.position), world.share(state.meters), grid])


def fields(profile: Profile, view: View, state: State, params: Params) -> Float[Array, "obs"]:
    """[cells + 25 + 2 + 3 + meters + affordances + 1 + 4]: see `fields_of`.

    The grid is dark in a view of 5x5, as is what one stands on; the window is dark in a full view.
    """
    world = tables(profile)
    full = view == "full"
    cell = state.position[1] * world.width + state.position[0]
    grid = (ground(world, state) >= 0) + jnp.where(np.arange(world.width * world.height) == cell, 1.0, 0.0)
    window = jnp.zeros(WINDOW**2) if full else (_window(profile, state) >= 0).astype(jnp.float32)
    count = len(profile.affordances)
    under = here(world, state)
    on = (jnp.where(under < 0, count, under) == np.arange(count + 1)) & full
    moved = state.moved.astype(jnp.float32)
    speed = jnp.abs(moved).sum(keepdims=True)  # one axis at a time
    parts = [grid * full, window, _scaled(profile, state.position), moved, speed, world.share(state.meters), on]
    lived = jnp.clip(state.time / jnp.asarray(params.max_steps_in_episode), 0.0, 1.0)
    return jnp.concatenate([*parts, _clock(profile, state), jnp.stack([state.progress / LONGEST_USE, lived])])


def places(profile: Profile, view: View, state: State) -> dict[str, Array]:
    """`own` [2 + meters, and with a clock its sine, cosine and the progress]: where, from 0 to 1, and how it is.
    `places` [place, 3], of each affordance that is in the world: is it seen, and where, as `own` has it; 0 unseen.
    """
    world = tables(profile)
    own = [_scaled(profile, state.position), world.share(state.meters)]
    if profile.temporal:
        own += [_clock(profile, state), jnp.stack([state.progress / LONGEST_USE])]
    at, seen = _placed(profile, view, state)
    around = jnp.concatenate([seen[:, None], jnp.where(seen[:, None], _scaled(profile, at), 0.0)], axis=1)
    return {"own": jnp.concatenate(own).astype(jnp.float32), "places": around.astype(jnp.float32)}


def one_hot(profile: Profile, view: View, state: State) -> Float[Array, "obs"]:
    """[cells + meters + ...]: which cell, meters from 0 to 1; with a clock, its sine, cosine and the progress; and
    where affordances are drawn, three numbers of each: is it seen, and its offset right and down over the grid's
    size.
    """
    world = tables(profile)
    cell = state.position[1] * world.width + state.position[0]
    parts = [np.arange(world.width * world.height) == cell, world.share(state.meters)]
    if profile.temporal:
        parts += [_clock(profile, state), jnp.stack([state.progress / LONGEST_USE])]
    if profile.drawn:
        at, seen = _placed(profile, view, state)
        scaled = (at - state.position) / np.array([world.width, world.height], np.float32)
        parts += [seen, jnp.where(seen[:, None], scaled, 0.0).ravel()]
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])


def spaces_of(profile: Profile, view: View, form: str) -> dict[str, spaces.Box]:
    """The parts of an observation of that form: one `vector`, or those of `places`."""
    if form != "places":
        low, high = bounds(profile, view, form)
        return {"vector": spaces.Box(low, high, low.shape)}
    own = 2 + len(profile.meters)
    clock = 3 if profile.temporal else 0
    low = np.concatenate([np.zeros(own), -np.ones(2), np.zeros(1)][: 3 if clock else 1]).astype(np.float32)
    return {"own": spaces.Box(low, 1.0, (own + clock,)), "places": spaces.Box(0.0, 1.0, (len(profile.placed), 3))}


def bounds(profile: Profile, view: View, form: str) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest that each number of an observation of that form can be."""
    width, height = profile.grid
    area, kinds = width * height, len(profile.affordances)
    meters = len(profile.meters)
    if form == "codes":
        sizes = [(2 + meters, 0, 1), (area if view == "full" else WINDOW**2, 0, profile.agent_code)]
    elif form == "fields":
        most = 2 if view == "full" else 0
        sizes = [(area, 0, most), (WINDOW**2, 0, 1), (2, 0, 1), (2, -1, 1), (1 + meters + kinds + 1, 0, 1)]
        sizes += [(2, -1, 1), (1, 0, max(a.duration for a in profile.affordances) / LONGEST_USE), (1, 0, 1)]
    else:
        longest = max(a.duration for a in profile.affordances) / LONGEST_USE
        sizes = [(area + meters, 0, 1)]
        sizes += [(2, -1, 1), (1, 0, longest)] if profile.temporal else []
        placed = len(profile.placed)
        sizes += [(placed, 0, 1), (2 * placed, -1, 1)] if profile.drawn else []
    low, high = (np.concatenate([np.full(size[0], size[i], np.float32) for size in sizes]) for i in (1, 2))
    return low, high


def fields_of(profile: Profile) -> dict[str, int]:
    """The fields of `fields`, in order, with the length of each."""
    width, height = profile.grid
    lengths = {"grid": width * height, "window": WINDOW**2, "position": 2, "velocity": 2, "speed": 1}
    lengths |= {"meters": len(profile.meters), "affordance": len(profile.affordances) + 1}
    return lengths | {"clock": 2, "progress": 1, "lifetime": 1}


def _scaled(profile: Profile, at: Int[Array, "*n 2"]) -> Float[Array, "*n 2"]:
    """Columns and rows from 0 to 1."""
    less = 1 if profile.position_scale == "last" else 0
    return at / np.maximum(np.array(profile.grid, np.float32) - less, 1)


def _placed(profile: Profile, view: View, state: State) -> tuple[Int[Array, "place 2"], Bool[Array, "place"]]:
    """Column and row of each affordance that is in the world, and whether it is seen."""
    world = tables(profile)
    placed = cells(world, state)[np.array(profile.placed)].astype(jnp.int32)
    at = jnp.stack([placed % world.width, placed // world.width], axis=1)
    return at, jnp.full(len(placed), view == "full") | (jnp.abs(at - state.position) <= REACH).all(1)


def _clock(profile: Profile, state: State) -> Float[Array, "2"]:
    angle = 2 * np.pi * hour(profile, state.time) / DAY
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)]).astype(jnp.float32)


def _window(profile: Profile, state: State) -> Int[Array, "25"]:
    """What is in each cell around the agent, row by row, or NOTHING; off the grid is nothing."""
    world = tables(profile)
    walled = jnp.pad(ground(world, state).reshape(world.height, world.width), REACH, constant_values=NOTHING)
    x, y = state.position
    return jax.lax.dynamic_slice(walled, (y, x), (WINDOW, WINDOW)).ravel().astype(jnp.int32)
