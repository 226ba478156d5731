"""`View`: the functions that show an environment to people. `views.view_of(env)` finds one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from elsinore.envs.scene import Panel, Scene

Panels = tuple[Panel, ...]


class View(NamedTuple):
    """Functions that show an environment. `state` is that of one step, its leaves numpy arrays."""

    scene: Callable[[Any, PyTree, PyTree], Scene]  # (env, params, state)
    action_names: Callable[[Any, PyTree], tuple[str, ...] | None] = lambda env, params: None
    steps_per_second: float = 10.0  # of playback
    # (env, params, state, action): the scene before a known action
    deciding: Callable[[Any, PyTree, PyTree, Any], Scene] | None = None
    # Several agents: (env, params, states, agent, terminated), params and states [agent, ...], the
    # agent to follow, and [agent] flags. None: only that agent is shown.
    joint_scene: Callable[[Any, PyTree, PyTree, int, np.ndarray], Scene] | None = None
    # For human play: the action of a typed line (ValueError with the reason if there is none), and
    # the help text. None: an action is typed by its number or its name.
    typed: Callable[[Any, PyTree, PyTree, str], int] | None = None
    how_to: Callable[[Any, PyTree, PyTree], str] | None = None
    # An episode as a figure: (path of a .png, Episode) -> Path, for `elsinore play --day`.
    draw_day: Callable[[Any, Any], Any] | None = None


def titled(panels: Callable[[Any, Any, Any], Panels]) -> Callable[[Any, Any, Any], Scene]:
    """The scene of these panels, with the environment's name as title."""
    return lambda env, params, state: Scene(env_name(env), panels(env, params, state))


def env_name(env: Any) -> str:
    name = getattr(env, "name", None)
    return name if isinstance(name, str) else type(env).__name__
