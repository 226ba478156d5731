"""Look-up of an environment's `View`. Drawing needs only numpy, and compiles nothing.

A custom environment may have a method `scene(params, state) -> Scene` (and `action_names(params)`,
and `scene_together(params, states, agent, terminated)` for several agents); a plug-in may have a
module `view` beside its environment; gymnax's environments have theirs in `suites`. Any other shows
the arrays of its state.
"""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import PyTree

from elsinore.envs.registry import families
from elsinore.envs.scene import Facts, Panel, Scene, Shades, rounded
from elsinore.envs.view import View
from elsinore.envs.wrapped import unwrapped

Panels = tuple[Panel, ...]
MAX_PICTURE_SIZE = 64  # rows and columns of an array shown as a picture
MAX_LEAVES = 24  # of a state, shown as facts or pictures


def view_of(env: Any) -> View:
    """The view of an environment: its own, one of `suites` for gymnax's, or `plain_scene`; of a
    wrapped one that of the environment inside."""
    innermost, bare = unwrapped(env)
    if innermost is not env:
        return _view_inside(innermost, bare)
    if hasattr(env, "scene"):
        return _own_view(env)
    module = type(env).__module__
    for package in families():
        if module.startswith(f"{package}."):
            return _module_view(module, package) or View(plain_scene)
    if module.startswith("gymnax."):
        from elsinore.envs.suites.gymnax_views import VIEWS

        return VIEWS.get(type(env).__name__, View(plain_scene))
    return View(plain_scene)


def _view_inside(env: Any, bare: Callable[..., tuple[PyTree, PyTree]]) -> View:
    """The view of `env` for the states of its wrappers; `bare` takes them off."""
    view = view_of(env)

    def inside(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
        if function is None:
            return None

        def shown(_: Any, params: PyTree, state: PyTree, *more: Any) -> Any:
            state, params = bare(state, params)
            return function(env, params, state, *more)

        return shown

    parts = ("scene", "deciding", "together", "typed", "how_to")
    return view._replace(
        action_names=lambda _, params: view.action_names(env, params),
        draw_day=None,
        **{name: inside(getattr(view, name)) for name in parts},
    )


def _own_view(env: Any) -> View:
    """The view from the environment's own methods."""
    names = getattr(env, "action_names", lambda params: None)
    together = getattr(env, "scene_together", None)
    return View(
        lambda _, params, state: env.scene(params, state),
        lambda _, params: names(params),
        together=together and (lambda _, *moment: together(*moment)),
    )


def _module_view(module: str, root: str) -> View | None:
    """The view in the module `view` beside the environment's, or the nearest one above it up to
    `root`, the plug-in's package."""
    package = module.rpartition(".")[0]
    while package.startswith(root):
        if importlib.util.find_spec(f"{package}.view"):
            view = importlib.import_module(f"{package}.view")
            return View(
                **{name: getattr(view, name) for name in View._fields if hasattr(view, name)}
            )
        package = package.rpartition(".")[0]
    return None


def plain_scene(env: Any, params: PyTree, state: PyTree) -> Scene:
    """The state's numbers as facts and its small arrays as pictures."""
    facts, pictures = [], []
    for name, value in list(_named_leaves(state))[:MAX_LEAVES]:
        value = np.asarray(value)
        if value.size == 1:
            facts.append((name, format_value(value)))
        elif _is_picture(value):
            pictures.append(shades(name, value))
        else:
            facts.append((name, f"{value.dtype.name} {list(value.shape)}"))
    panels: list[Panel] = pictures
    if facts:
        panels = [*pictures, Facts("state", tuple(facts))]
    return Scene(env_name(env), tuple(panels))


def titled(panels: Callable[[Any, Any, Any], Panels]) -> Callable[[Any, Any, Any], Scene]:
    """The scene of these panels, with the environment's name as title."""
    return lambda env, params, state: Scene(env_name(env), panels(env, params, state))


def env_name(env: Any) -> str:
    name = getattr(env, "name", None)
    return name if isinstance(name, str) else type(env).__name__


def format_value(value: Any) -> str:
    """A number or boolean as text."""
    value = np.asarray(value).reshape(())
    return ("yes" if value else "no") if value.dtype == bool else rounded(value)


def shades(name: str, value: np.ndarray) -> Shades:
    """An array of one or two axes as a picture."""
    rows = np.atleast_2d(value).astype(float)
    finite = rows[np.isfinite(rows)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    scaled = np.nan_to_num((rows - low) / ((high - low) or 1.0), nan=0.0, posinf=1.0, neginf=0.0)
    return Shades(name, tuple(map(tuple, scaled.round(4).tolist())), rounded(low), rounded(high))


def _is_picture(value: np.ndarray) -> bool:
    return (
        value.ndim in (1, 2)
        and value.size > 0
        and max(value.shape) <= MAX_PICTURE_SIZE
        and value.dtype.kind in "biuf"
    )


def _named_leaves(state: PyTree):
    """Every leaf by its dotted name."""
    import jax

    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        yield jax.tree_util.keystr(path, simple=True, separator="."), leaf
