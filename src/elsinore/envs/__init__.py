"""Worlds. `make(name)` knows ours and gymnax's by name, and anyone's as `"module:Class"`."""

import difflib
import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import PyTree

# Listed here so that names can be shown and checked without importing gymnax, which takes seconds.
GYMNAX = (
    "CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Asterix-MinAtar",
    "Breakout-MinAtar", "Freeway-MinAtar", "Seaquest-MinAtar", "SpaceInvaders-MinAtar", "Catch-bsuite",
    "DeepSea-bsuite", "MemoryChain-bsuite", "UmbrellaChain-bsuite", "DiscountingChain-bsuite",
    "MNISTBandit-bsuite", "SimpleBandit-bsuite", "FourRooms-misc", "MetaMaze-misc", "PointRobot-misc",
    "BernoulliBandit-misc", "GaussianBandit-misc", "Reacher-misc", "Swimmer-misc", "Pong-misc", "FrozenLake-misc",
)  # fmt: skip


HAMLET = ("classic4", "base6", "mood6", "L0_0", "L0_5", "L1", "L2", "L3")  # the files of hamlet/worlds

# Our own families: name -> "module:function", the function called with what stands after the first hyphen.
OURS: dict[str, str] = {
    "Cache-api": "elsinore.envs.cache:cache",
    "Cache-trace": "elsinore.envs.cache:cache",
    **{f"Balatro-stage{stage}": "elsinore.envs.balatro:balatro" for stage in range(5)},
    **{f"Hamlet-{world}": "elsinore.envs.hamlet:hamlet" for world in (*HAMLET, "custom")},
}


def names() -> tuple[str, ...]:
    """Every environment that `make` knows by name."""
    return (*OURS, *GYMNAX)


def check_name(name: str) -> None:
    """Refuse a name that `make` could not know, without importing anything.

    Raises:
        ValueError: with the closest known name.
    """
    if ":" in name or name in names():
        return
    close = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    raise ValueError(
        f"env={name!r} is unknown{hint} `elsinore envs` lists the known ones; a world of your own is given as "
        "'module:Class'."
    )


def make(env: Any, kwargs: dict[str, Any] | None = None, params: dict[str, Any] | None = None) -> tuple[Any, PyTree]:
    """An environment and its parameters, from a name, `"module:Class"`, or an instance.

    `kwargs` go to its constructor (they fix shapes), `params` replace fields of its default parameters (traced
    numbers, such as `max_steps_in_episode`).

    Raises:
        ValueError: naming what is unknown, or cannot be imported or built, and what would do.
    """
    name = env
    if isinstance(env, str):
        check_name(env)
        factory = _factory(env)
        try:
            env = factory(**(kwargs or {}))
        except TypeError as error:
            raise ValueError(f"env_kwargs={kwargs} do not fit the environment's constructor: {error}.") from error
        except OSError as error:  # MNISTBandit fetches its images
            raise ValueError(f"env needs something that cannot be had: {error}.") from error
    if isinstance(env, type):
        raise ValueError(f"env={env.__name__} is a class; give an instance of it.")
    missing = [part for part in ("default_params", "reset_env", "step_env") if not hasattr(env, part)]
    if missing:
        raise ValueError(f"env={name!r} is no gymnax Environment: it has no {missing[0]}.")
    return env, _changed(env, env.default_params, params or {})


def _changed(env: Any, defaults: PyTree, params: dict[str, Any]) -> PyTree:
    """The default parameters with some replaced, each by numbers of the same shape."""
    for name, value in params.items():
        if not hasattr(defaults, name):
            known = ", ".join(vars(defaults))
            raise ValueError(f"env_params.{name} is no parameter of {env.name}; it has: {known}.")
        default = getattr(defaults, name)
        try:
            fits = np.shape(np.asarray(value, float)) == np.shape(default)
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(f"env_params.{name}={value!r} must be like its default, {default!r}.")
    return defaults.replace(**params) if params else defaults


def imported(path: str, field: str) -> Any:
    """The object at `"module:name"`.

    Raises:
        ValueError: naming the config field, what could not be imported, and why.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever a module raises while it is imported
        told = error if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{field}={path!r} cannot be imported: {told}. Give it as 'module:name', with the "
            "module on the Python path (the current folder is)."
        ) from error


def _factory(name: str) -> Callable[..., Any]:
    """What builds the world of that name, given its keyword arguments."""
    if ":" in name:
        return imported(name, "env")
    if name in OURS:
        return partial(imported(OURS[name], "env"), name.partition("-")[2])
    return _gymnax_factory(name)


def _gymnax_factory(name: str) -> Callable[..., Any]:
    import gymnax.registration  # seconds: seaborn, matplotlib and scipy come with it

    return lambda **kwargs: gymnax.registration.make(name, **kwargs)[0]
