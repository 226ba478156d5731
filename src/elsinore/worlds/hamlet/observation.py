"""Observations of Hamlet: the original's two vectors, a one-hot cell with the meters, or places;
and the action mask. A masked action that is sent anyway is executed all the same.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.hamlet.profile import VIEW_SIZE, Profile
from elsinore.worlds.hamlet.rules import (
    DAY_HOURS,
    HamletParams,
    HamletState,
    affordance_cells,
    affordance_here,
    cell_affordances,
    hour,
    is_open,
)
from elsinore.worlds.hamlet.tables import NO_AFFORDANCE, profile_tables

Sight = Literal["full", "5x5"]
REACH = VIEW_SIZE // 2
LONGEST_USE = 10.0  # ticks, by which the original divides progress


def code_observation(profile: Profile, view: Sight, state: HamletState) -> Float[Array, "obs"]:
    """[2 + meters + cells]: position, meters from 0 to 1, and the affordance code of each cell of
    the grid or window.

    The agent's code replaces that of its own cell; cells off the grid show 0.
    """
    world = profile_tables(profile)
    code = jnp.asarray(np.array([*profile.codes, 0], np.float32))  # the last: no affordance
    if view == "full":
        cell = state.position[1] * world.width + state.position[0]
        grid = jnp.where(
            np.arange(world.width * world.height) == cell,
            profile.agent_code,
            code[cell_affordances(world, state)],
        )
    else:
        grid = code[_window(profile, state)].at[VIEW_SIZE * VIEW_SIZE // 2].set(profile.agent_code)
    return jnp.concatenate([_scaled(profile, state.position), world.share(state.meters), grid])


def field_observation(
    profile: Profile, view: Sight, state: HamletState, params: HamletParams
) -> Float[Array, "obs"]:
    """[cells + 25 + 2 + 3 + meters + affordances + 1 + 4].

    The grid and the affordance underfoot are zero in a 5x5 view; the window is zero in a full view.
    """
    world = profile_tables(profile)
    full = view == "full"
    cell = state.position[1] * world.width + state.position[0]
    grid = (cell_affordances(world, state) >= 0) + jnp.where(
        np.arange(world.width * world.height) == cell, 1.0, 0.0
    )
    window = jnp.zeros(VIEW_SIZE**2) if full else (_window(profile, state) >= 0).astype(jnp.float32)
    count = len(profile.affordances)
    under = affordance_here(world, state)
    on = (jnp.where(under < 0, count, under) == np.arange(count + 1)) & full
    moved = state.moved.astype(jnp.float32)
    speed = jnp.abs(moved).sum(keepdims=True)  # one axis at a time
    parts = [
        grid * full,
        window,
        _scaled(profile, state.position),
        moved,
        speed,
        world.share(state.meters),
        on,
    ]
    passed = jnp.clip(state.time / jnp.asarray(params.max_steps_in_episode), 0.0, 1.0)
    return jnp.concatenate(
        [*parts, _clock(profile, state), jnp.stack([state.progress / LONGEST_USE, passed])]
    )


def place_observation(profile: Profile, view: Sight, state: HamletState) -> dict[str, Array]:
    """`own` [2 + meters, and with a clock its sine, cosine and the progress]: position and meters,
    from 0 to 1. `places` [place, 3]: for each affordance in the world whether it is in view, and
    its position scaled as in `own`; zeros out of view."""
    world = profile_tables(profile)
    own = [_scaled(profile, state.position), world.share(state.meters)]
    if profile.temporal:
        own += [_clock(profile, state), jnp.stack([state.progress / LONGEST_USE])]
    at, seen = _placed(profile, view, state)
    around = jnp.concatenate(
        [seen[:, None], jnp.where(seen[:, None], _scaled(profile, at), 0.0)], axis=1
    )
    return {"own": jnp.concatenate(own).astype(jnp.float32), "places": around.astype(jnp.float32)}


def one_hot_observation(profile: Profile, view: Sight, state: HamletState) -> Float[Array, "obs"]:
    """[cells + meters + ...]: one-hot cell, meters from 0 to 1; with a clock its sine, cosine and
    the progress; where cells are drawn, three numbers per affordance: in view or not, and its
    offset right and down over the grid's size."""
    world = profile_tables(profile)
    cell = state.position[1] * world.width + state.position[0]
    parts = [np.arange(world.width * world.height) == cell, world.share(state.meters)]
    if profile.temporal:
        parts += [_clock(profile, state), jnp.stack([state.progress / LONGEST_USE])]
    if profile.drawn:
        at, seen = _placed(profile, view, state)
        scaled = (at - state.position) / np.array([world.width, world.height], np.float32)
        parts += [seen, jnp.where(seen[:, None], scaled, 0.0).ravel()]
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])


def observation_spaces(profile: Profile, view: Sight, form: str) -> dict[str, spaces.Box]:
    """Spaces of an observation of that form: one `vector`, or those of `places`."""
    if form != "places":
        low, high = observation_bounds(profile, view, form)
        return {"vector": spaces.Box(low, high, low.shape)}
    sizes = [(2 + len(profile.meters), 0, 1)]
    sizes += [(2, -1, 1), (1, 0, _longest_use(profile))] if profile.temporal else []
    low, high = _bounds(sizes)
    return {
        "own": spaces.Box(low, high, low.shape),
        "places": spaces.Box(0.0, 1.0, (len(profile.placed), 3)),
    }


def observation_bounds(profile: Profile, view: Sight, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest value of each number of an observation of that form."""
    width, height = profile.grid
    area, kinds = width * height, len(profile.affordances)
    meters = len(profile.meters)
    if form == "codes":
        sizes = [
            (2 + meters, 0, 1),
            (area if view == "full" else VIEW_SIZE**2, 0, profile.agent_code),
        ]
    elif form == "fields":
        most = 2 if view == "full" else 0
        sizes = [
            (area, 0, most),
            (VIEW_SIZE**2, 0, 1),
            (2, 0, 1),
            (2, -1, 1),
            (1 + meters + kinds + 1, 0, 1),
        ]
        sizes += [
            (2, -1, 1),
            (1, 0, _longest_use(profile)),
            (1, 0, 1),
        ]
    else:
        sizes = [(area + meters, 0, 1)]
        sizes += [(2, -1, 1), (1, 0, _longest_use(profile))] if profile.temporal else []
        placed = len(profile.placed)
        sizes += [(placed, 0, 1), (2 * placed, -1, 1)] if profile.drawn else []
    return _bounds(sizes)


def _bounds(sizes: list[tuple[int, float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest values, of (how many, least, greatest) in order."""
    low, high = (
        np.concatenate([np.full(size[0], size[i], np.float32) for size in sizes]) for i in (1, 2)
    )
    return low, high


def _longest_use(profile: Profile) -> float:
    """The greatest progress of a use, as it is observed."""
    return max(a.duration for a in profile.affordances) / LONGEST_USE


def _scaled(profile: Profile, at: Int[Array, "*n 2"]) -> Float[Array, "*n 2"]:
    """Column and row from 0 to 1."""
    less = 1 if profile.position_scale == "last" else 0
    return at / np.maximum(np.array(profile.grid, np.float32) - less, 1)


def _placed(
    profile: Profile, view: Sight, state: HamletState
) -> tuple[Int[Array, "place 2"], Bool[Array, "place"]]:
    """Column and row of each affordance in the world, and whether it is in view."""
    world = profile_tables(profile)
    placed = affordance_cells(world, state)[np.array(profile.placed)].astype(jnp.int32)
    at = jnp.stack([placed % world.width, placed // world.width], axis=1)
    return at, jnp.full(len(placed), view == "full") | (jnp.abs(at - state.position) <= REACH).all(
        1
    )


def _clock(profile: Profile, state: HamletState) -> Float[Array, "2"]:
    angle = 2 * np.pi * hour(profile, state.time) / DAY_HOURS
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)]).astype(jnp.float32)


def _window(profile: Profile, state: HamletState) -> Int[Array, "25"]:
    """Affordance in each cell of the 5 x 5 window around the agent, row by row; NO_AFFORDANCE off
    the grid."""
    world = profile_tables(profile)
    walled = jnp.pad(
        cell_affordances(world, state).reshape(world.height, world.width),
        REACH,
        constant_values=NO_AFFORDANCE,
    )
    x, y = state.position
    return jax.lax.dynamic_slice(walled, (y, x), (VIEW_SIZE, VIEW_SIZE)).ravel().astype(jnp.int32)


def legal_actions(
    profile: Profile, state: HamletState, params: HamletParams
) -> Bool[Array, "action"]:
    """Action mask: moves that stay on the grid, interaction where an affordance is open (affordable
    or not), other actions unless disabled; all false for a dead agent."""
    world = profile_tables(profile)
    (x, y), there = state.position, affordance_here(world, state)
    dead = jnp.any(jnp.asarray(params.fatal).astype(bool) & (state.meters <= world.low))
    can_use = (there >= 0) & is_open(profile, there, state.time)
    moves = [y > 0, y < world.height - 1, x > 0, x < world.width - 1]
    others = [jnp.bool_(True)] * len(profile.actions)
    enabled = jnp.array([name not in profile.disabled for name in profile.action_names])
    return jnp.stack([*moves, can_use, *others]) & enabled & ~dead
