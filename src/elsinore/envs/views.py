"""Which scene a world shows. `view_of(env)` finds it: drawing needs numpy alone, and compiles nothing.

A world of ours has a file `view.py` beside it; one of yours may have a method `scene(params, state) -> Scene` (and
`action_names(params)`, and `scene_together(params, states, agent, over)` for several agents); gymnax's have theirs
here. Any other shows what its state holds.
"""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from elsinore.envs.scene import Facts, Panel, Scene, Shades, number

LARGEST = 64  # rows and columns of an array that is shown as a picture
ROOM = 24  # facts and pictures of a state that are shown


class View(NamedTuple):
    """How a world is seen. `state` is that of one moment, its leaves numpy arrays."""

    scene: Callable[[Any, PyTree, PyTree], Scene]  # (env, params, state)
    action_names: Callable[[Any, PyTree], tuple[str, ...] | None] = lambda env, params: None
    steps_per_second: float = 10.0  # at which it is well watched
    deciding: Callable[[Any, PyTree, PyTree, Any], Scene] | None = None  # with the action that is about to be taken
    # Several agents as one sees them: (env, params, states, agent, over), params and states [agent, ...] of all, the
    # number of the one that is looked at, and whose life the world has ended, [agent]. None: only that one is seen.
    together: Callable[[Any, PyTree, PyTree, int, np.ndarray], Scene] | None = None
    # For people who play: the action that a line means, a ValueError saying why it means none; and what can be typed.
    # None: an action is typed by its number or its name.
    typed: Callable[[Any, PyTree, PyTree, str], int] | None = None
    how_to: Callable[[Any, PyTree, PyTree], str] | None = None


def view_of(env: Any) -> View:
    """The view of a world: its own, ours for gymnax's, or one that shows what its state holds."""
    if hasattr(env, "scene"):
        return _offered(env)
    module = type(env).__module__
    if module.startswith("elsinore.envs."):
        return _beside(module) or View(plain_scene)
    if module.startswith("gymnax."):
        from elsinore.envs.gymnax_views import VIEWS

        return VIEWS.get(type(env).__name__, View(plain_scene))
    return View(plain_scene)


def _offered(env: Any) -> View:
    """What a world of anyone's says of itself."""
    names = getattr(env, "action_names", lambda params: None)
    together = getattr(env, "scene_together", None)
    return View(
        lambda _, params, state: env.scene(params, state), lambda _, params: names(params),
        together=together and (lambda _, *moment: together(*moment)),
    )  # fmt: skip


def _beside(module: str) -> View | None:
    """What `view.py` in the world's folder, or the nearest above it, says of it."""
    package = module.rpartition(".")[0]
    while package != "elsinore.envs":
        if importlib.util.find_spec(f"{package}.view"):
            view = importlib.import_module(f"{package}.view")
            known = {name: getattr(view, name) for name in View._fields if hasattr(view, name)}
            return View(**known)
        package = package.rpartition(".")[0]
    return None


def plain_scene(env: Any, params: PyTree, state: PyTree) -> Scene:
    """Numbers as facts, small arrays as pictures, of a world that has no view of its own."""
    facts, pictures = [], []
    for name, value in list(_named_leaves(state))[:ROOM]:
        value = np.asarray(value)
        if value.size == 1:
            facts.append((name, shown(value)))
        elif _is_picture(value):
            pictures.append(shades(name, value))
        else:
            facts.append((name, f"{value.dtype.name} {list(value.shape)}"))
    panels: list[Panel] = pictures
    if facts:
        panels = [*pictures, Facts("state", tuple(facts))]
    return Scene(name_of(env), tuple(panels))


def name_of(env: Any) -> str:
    name = getattr(env, "name", None)
    return name if isinstance(name, str) else type(env).__name__


def shown(value: Any) -> str:
    """A number or truth value as people read it."""
    value = np.asarray(value).reshape(())
    return ("yes" if value else "no") if value.dtype == bool else number(value)


def shades(name: str, value: np.ndarray) -> Shades:
    """An array of one or two axes as a picture."""
    rows = np.atleast_2d(value).astype(float)
    finite = rows[np.isfinite(rows)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    scaled = np.nan_to_num((rows - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    return Shades(name, tuple(map(tuple, scaled.round(4).tolist())), number(low), number(high))


def _is_picture(value: np.ndarray) -> bool:
    return value.ndim in (1, 2) and value.size > 0 and max(value.shape) <= LARGEST and value.dtype.kind in "biuf"


def _named_leaves(state: PyTree):
    """Every leaf by its dotted name."""
    import jax

    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        yield jax.tree_util.keystr(path, simple=True, separator="."), leaf
