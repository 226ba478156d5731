"""The layers of an environment object in Python: the object, and those in it if it is a wrapper."""

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from elsinore.errors import ConfigError

# Wrappers that scale by statistics of their own, and the setting of an algorithm that does so
OWN_STATISTICS = {
    "NormalizeObservation": "algo.normalize_obs",
    "NormalizeReward": "algo.normalize_rewards",
}


def layers(native: Any) -> Iterator[Any]:
    """An object, and the environment in each of its wrappers."""
    layer, seen = native, []
    while layer is not None and all(layer is not other for other in seen):
        yield layer
        seen.append(layer)
        layer = getattr(layer, "env", None)


def refuse_own_statistics(native: Any, name: str) -> None:
    """Refuse wrappers whose statistics change with each step. Every copy has its own, which
    evaluations begin anew and no checkpoint holds.

    Raises:
        ConfigError: naming the wrapper and the setting to use instead.
    """
    for layer in layers(native):
        kind = type(layer).__name__
        if kind in OWN_STATISTICS and getattr(layer, "update_running_mean", True):
            raise ConfigError(
                f"env={name!r} is in the wrapper {kind}, whose statistics differ between copies"
                " and are in no checkpoint, so that evaluations would be of another environment;"
                f" leave it out and set {OWN_STATISTICS[kind]}: true."
            )


def limit_of(native: Any) -> int:
    """The time limit of an object or of the first of its wrappers that has one, in steps; 0 where
    none is known.

    Raises:
        ConfigError: for a limit that is text or a fraction of a step.
    """
    for layer in layers(native):
        spec = getattr(layer, "spec", None)
        # `_max_episode_steps` is that of gymnasium.wrappers.TimeLimit around an object without spec
        names = ("max_steps_in_episode", "max_episode_steps", "_max_episode_steps")
        found = [("spec.max_episode_steps", getattr(spec, "max_episode_steps", None))]
        found += [(x, getattr(layer, x, None)) for x in names]
        limits = [_steps(f"{object_name(layer)}.{name}", x) for name, x in found]
        if known := next(filter(None, limits), 0):
            return known
    return 0


def _steps(name: str, limit: Any) -> int:
    """The attribute of this name as a number of steps; 0 for none, infinity or another thing."""
    number = isinstance(limit, int | float | np.number) and not isinstance(limit, bool)
    if isinstance(limit, str) or (number and np.isfinite(limit) and limit != int(limit)):
        raise ConfigError(
            f"{name}={limit!r} must be a whole number of steps; leave it out where there is no"
            " limit."
        )
    return max(int(limit), 0) if number and np.isfinite(limit) else 0


def object_name(env: Any) -> str:
    """The name by which a config records an object or a function."""
    kind = env if inspect.isroutine(env) else type(env)
    return f"{kind.__module__}:{kind.__qualname__}"
