"""Environments on a board."""

import numpy as np

from elsinore.envs.scene import Facts, Grid, Thing
from elsinore.envs.view import Panels, View, titled


@titled
def catch(env, params, state) -> Panels:
    """A ball falls a row a step; the paddle at the bottom must catch it."""
    things = (
        Thing(int(state.paddle_x), int(state.paddle_y), "paddle", "agent"),
        Thing(int(state.ball_x), int(state.ball_y), "ball", "goal", token=True),
    )
    left = env.rows - 1 - int(state.ball_y)
    facts = Facts("state", (("rows to fall", str(left)),))
    return Grid("catch", env.columns, env.rows, things), facts


@titled
def deep_sea(env, params, state) -> Panels:
    """A diver sinks a row a step; treasure at the bottom right, and each step right costs."""
    row, column = int(state.row), int(state.column)
    things = [Thing(env.size - 1, env.size - 1, "gold", "gain")]
    if row < env.size:
        things.append(Thing(column, row, "diver", "agent", token=True))
    facts = (
        ("depth", f"{row} of {env.size}"),
        ("strayed from the way", "yes" if state.bad_episode else "no"),
    )
    return Grid("deep sea", env.size, env.size, tuple(things)), Facts("state", facts)


@titled
def four_rooms(env, params, state) -> Panels:
    """Walls with four doors; the goal is random at reset."""
    free = np.asarray(env.env_map, bool)
    walls = (Thing(int(x), int(y), "", "wall") for y, x in np.argwhere(~free))
    goal, agent = ((int(at[1]), int(at[0])) for at in (state.goal, state.pos))
    things = (*walls, Thing(*goal, "goal", "goal"), Thing(*agent, "agent", "agent", token=True))
    return (Grid("four rooms", free.shape[1], free.shape[0], things),)


# by the numbers in `env.desc`
LAKE = (("start", "ground"), ("", "ground"), ("hole", "danger"), ("goal", "goal"))


@titled
def frozen_lake(env, params, state) -> Panels:
    """Ice with holes; the goal is in the far corner."""
    row, column = divmod(int(state.position), env.ncol)
    tiles = tuple(
        Thing(int(x), int(y), *LAKE[tile]) for (y, x), tile in np.ndenumerate(np.asarray(env.desc))
    )
    things = (*tiles, Thing(column, row, "agent", "agent", token=True))
    return (Grid("frozen lake", env.ncol, env.nrow, things),)


VIEWS = {
    "Catch": View(catch, lambda env, params: ("left", "stay", "right"), 6.0),
    "DeepSea": View(deep_sea, steps_per_second=4.0),
    "FourRooms": View(four_rooms, lambda env, params: ("up", "right", "down", "left"), 8.0),
    "FrozenLake": View(frozen_lake, lambda env, params: ("left", "down", "right", "up"), 5.0),
}
