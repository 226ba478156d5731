"""Scenes to draw: one of every kind of panel, and an episode of a small environment."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from elsinore.envs.picture import picture
from elsinore.envs.scene import (
    Bar,
    Bars,
    Card,
    Cards,
    Choice,
    Choices,
    Circle,
    Facts,
    Figure,
    Grid,
    Key,
    Line,
    Pixels,
    Rectangle,
    Scene,
    Shades,
    Thing,
    Words,
)
from elsinore.runs.replays import recording as episode_recording
from elsinore.training.recording import Recording
from elsinore.view.drawing.episode import Episode
from tests.small_envs import Cell, Clocked, World

GRID = Grid(
    "board",
    4,
    3,
    (
        Thing(0, 0, "Bed", "rest"),
        Thing(3, 2, "Fire", "danger"),
        Thing(3, 2, "guard", "agent", True),
    ),
)
FIGURE = Figure(
    "sketch",
    1.5,
    (
        Line(((0.0, 0.2), (1.5, 0.2)), "faint"),
        Rectangle(0.4, 0.5, 0.4, 0.4, "food"),
        Circle(1.1, 0.6, 0.2, "goal"),
        Words(0.75, 0.1, "here", "ink"),
    ),
)
PIXELS = Pixels("cells", ((0, -1), (-1, 1)), (Key("brick", "wash"), Key("ball", "goal")))
SHADES = Shades("heat", ((0.0, 0.5, 1.0),), "-1 °C", "3 °C")
LEFT, RIGHT = (250, 10, 10), (10, 10, 250)  # colours of the halves of a picture
PICTURE = picture("photo", np.array([[LEFT] * 6 + [RIGHT] * 6] * 8))
CARDS = Cards("hand", (Card("A♠", "11", "ink"), Card("K♥", "10", "danger", marked=True)))
BARS = Bars(
    "needs",
    (Bar("warmth", 0.5, "50 of 100", "food"), Bar("sleep", 0.1, "10 of 100", danger_below=0.2)),
)
FACTS = Facts("now", (("hour", "07:00"), ("wind", "3 m/s")))
CHOICES = Choices(
    "action",
    "probability",
    (Choice("wait", 0.75, chosen=True), Choice("run", 0.25), Choice("fly", 0, legal=False)),
)
EVERYTHING = Scene(
    "hall of Elsinore", (GRID, FIGURE, PIXELS, SHADES, PICTURE, CARDS, BARS, CHOICES, FACTS)
)


@dataclass(frozen=True)
class Lane(World):
    """Cells in a row; action 1 steps to the right."""

    def reset_env(self, key, params):
        return jnp.zeros(1), Cell(time=jnp.int32(0), cell=jnp.int32(0))

    def step_env(self, key, state, action, params):
        state = Cell(time=state.time + 1, cell=state.cell + action)
        return jnp.zeros(1), state, jnp.float32(action), state.cell == 5, {}

    def scene(self, params, state):
        return Scene(
            "lane",
            (Grid("lane", 8, 1, (Thing(int(state.cell), 0, "walker", "agent", token=True),)),),
        )

    def action_names(self, params):
        return "stay", "go"


@dataclass(frozen=True)
class PaintedLane(Lane):
    """The lane as a library draws it."""

    def scene(self, params, state):
        return Scene("painted lane", (PICTURE,))


def replay(
    actions=(1, 0, 1, 1), lane: type[Lane] = Lane, **action_scores
) -> episode_recording.EpisodeRecording:
    """A replay of these actions in the lane."""
    cells = np.concatenate([[0], np.cumsum(actions)])
    steps = len(actions)
    given = action_scores or {"probability": np.tile(np.float32([0.25, 0.75]), (steps, 1))}
    film = Recording(
        Cell(time=np.arange(steps + 1), cell=cells),
        np.array(actions),
        np.array(actions, np.float32),
        np.zeros(steps, bool),
        np.arange(steps) == steps - 1,
        given,
        np.linspace(3, 0, steps),
        np.int32(steps),
    )
    return episode_recording.recording_of(
        film, Clocked(), {"env": f"{__name__}:{lane.__name__}", "algo": "ppo", "seed": 2}
    )


def episode(actions=(1, 0, 1, 1), **action_scores) -> Episode:
    return Episode(replay(actions, **action_scores))
