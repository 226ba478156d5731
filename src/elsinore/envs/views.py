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

from jaxtyping import PyTree

from elsinore.envs.plain_scene import plain_scene
from elsinore.envs.registry import families
from elsinore.envs.suites.gymnax_views import VIEWS
from elsinore.envs.view import View
from elsinore.envs.wrapped import unwrapped


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

    parts = ("scene", "deciding", "joint_scene", "typed", "how_to")
    return view._replace(
        action_names=lambda _, params: view.action_names(env, params),
        draw_day=None,
        **{name: inside(getattr(view, name)) for name in parts},
    )


def _own_view(env: Any) -> View:
    """The view from the environment's own methods."""
    names = getattr(env, "action_names", lambda params: None)
    joint = getattr(env, "scene_together", None)
    return View(
        lambda _, params, state: env.scene(params, state),
        lambda _, params: names(params),
        joint_scene=joint and (lambda _, *moment: joint(*moment)),
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
