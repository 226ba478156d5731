"""The MinAtar games: ten by ten cells, each of one kind. A trail marks the previous position."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from elsinore.envs.scene import Bar, Bars, Key, Pixels, Scene
from elsinore.envs.view import Panels, View, titled

BOARD_SIZE = 10
BUTTONS = ("stay", "left", "up", "right", "down", "fire")

Cells = Iterable[tuple[int, int]]  # (row, column); those outside the board are left out


def pixels(title: str, *layers: tuple[str, str, Cells]) -> Pixels:
    """Layers of (name, role, cells); later ones cover earlier ones."""
    board = np.full((BOARD_SIZE, BOARD_SIZE), -1)
    for i, (_, _, cells) in enumerate(layers):
        for row, column in cells:
            if 0 <= row < BOARD_SIZE and 0 <= column < BOARD_SIZE:
                board[row, column] = i
    keys = tuple(Key(name, role) for name, role, _ in layers)
    return Pixels(title, tuple(map(tuple, board.tolist())), keys)


def cells_where(mask: Any) -> Cells:
    return [(int(row), int(column)) for row, column in np.argwhere(np.asarray(mask) != 0)]


@titled
def breakout(env, params, state) -> Panels:
    """A paddle below, bricks above; the ball must not pass the paddle."""
    picture = pixels(
        "breakout",
        ("brick", "wash", cells_where(state.brick_map)),
        ("trail", "faint", [(int(state.last_y), int(state.last_x))]),
        ("ball", "goal", [(int(state.ball_y), int(state.ball_x))]),
        ("paddle", "agent", [(9, int(state.pos))]),
    )
    left = len(cells_where(state.brick_map))
    return picture, Bars("wall", (Bar("bricks left", left / 30, f"{left} of 30", "wash"),))


@titled
def asterix(env, params, state) -> Panels:
    """Gold and enemies cross the board from its sides."""
    active = [entity for entity in np.asarray(state.entities) if entity[4]]
    picture = pixels(
        "asterix",
        ("trail", "faint", [(y, x - 1 if right else x + 1) for x, y, right, *_ in active]),
        ("gold", "gain", [(y, x) for x, y, _, gold, _ in active if gold]),
        ("enemy", "danger", [(y, x) for x, y, _, gold, _ in active if not gold]),
        ("player", "agent", [(int(state.player_y), int(state.player_x))]),
    )
    return (picture,)


@titled
def freeway(env, params, state) -> Panels:
    """Eight lanes of cars to cross from the bottom to the top."""
    cars = np.asarray(state.cars)
    behind = [(y, (x - 1 if speed > 0 else x + 1) % BOARD_SIZE) for x, y, _, speed in cars]
    picture = pixels(
        "freeway",
        ("trail", "faint", behind),
        ("car", "danger", [(y, x) for x, y, *_ in cars]),
        ("chicken", "agent", [(int(state.pos), 4)]),
    )
    return (picture,)


@titled
def space_invaders(env, params, state) -> Panels:
    """Aliens come down row by row, and shoot."""
    picture = pixels(
        "space invaders",
        ("alien", "rival", cells_where(state.alien_map)),
        ("their bullet", "danger", cells_where(state.e_bullet_map)),
        ("our bullet", "gain", cells_where(state.f_bullet_map)),
        ("cannon", "agent", [(9, int(state.pos))]),
    )
    left = len(cells_where(state.alien_map))
    return picture, Bars("wave", (Bar("aliens left", left / 24, f"{left} of 24", "rival"),))


@titled
def seaquest(env, params, state) -> Panels:
    """A submarine among fish and enemies, with divers to bring up before its air is gone."""

    def some(entities: Any, count: Any) -> Cells:
        return [(int(y), int(x)) for x, y, *_ in np.asarray(entities)[: int(count)]]

    picture = pixels(
        "seaquest",
        ("diver", "gain", some(state.divers, state.divers_count)),
        ("fish", "danger", some(state.e_fish, state.e_fish_count)),
        ("enemy", "rival", some(state.e_subs, state.e_subs_count)),
        ("their bullet", "work", some(state.e_bullets, state.e_bullet_count)),
        ("our bullet", "goal", some(state.f_bullets, state.f_bullet_count)),
        ("submarine", "agent", [(int(state.sub_y), int(state.sub_x))]),
    )
    air, most = max(int(state.oxygen), 0), int(params.max_oxygen)
    bars = (
        Bar("air", min(air / most, 1.0), f"{air} of {most} steps", danger_below=0.25),
        Bar("divers aboard", int(state.diver_count) / 6, f"{int(state.diver_count)} of 6", "gain"),
    )
    return picture, Bars("submarine", bars)


def _buttons(env: Any, params: Any) -> tuple[str, ...]:
    return tuple(BUTTONS[i] for i in np.asarray(env.action_set))


def _game(scene: Callable[..., Scene]) -> View:
    return View(scene, _buttons, 12.0)


VIEWS = {
    "MinBreakout": _game(breakout),
    "MinAsterix": _game(asterix),
    "MinFreeway": _game(freeway),
    "MinSpaceInvaders": _game(space_invaders),
    "MinSeaquest": _game(seaquest),
}
