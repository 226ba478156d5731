"""Spaces and observations converted to Gymnasium's."""

from typing import Any

import gymnasium
import jax
import numpy as np
from gymnax.environments import spaces
from jaxtyping import PyTree

from elsinore.envs.spaces import MultiDiscrete
from elsinore.errors import ConfigError

# what an environment on the host is refused with, which no compiled step can hold
AS_IT_IS = "needs no conversion; use the environment of its library"


def gymnasium_space(space: Any) -> gymnasium.Space:
    """The Gymnasium space of a gymnax space; a Box of bool becomes MultiBinary.

    Raises:
        ValueError: for an unknown kind of space.
    """
    if isinstance(space, spaces.Discrete):
        return gymnasium.spaces.Discrete(int(space.n))
    if isinstance(space, MultiDiscrete):
        return gymnasium.spaces.MultiDiscrete(space.nvec)
    if isinstance(space, spaces.Dict):
        return gymnasium.spaces.Dict(
            {name: gymnasium_space(part) for name, part in space.spaces.items()}
        )
    if isinstance(space, spaces.Tuple):
        return gymnasium.spaces.Tuple(tuple(gymnasium_space(part) for part in space.spaces))
    if isinstance(space, spaces.Box):
        return _box(space)
    raise ValueError(
        f"space {space!r} has no counterpart in Gymnasium; use Discrete, MultiDiscrete, Box, Dict"
        " or Tuple."
    )


def _box(space: spaces.Box) -> gymnasium.Space:
    dtype = np.dtype(space.dtype)
    if dtype.kind == "b":
        return gymnasium.spaces.MultiBinary(space.shape)
    low, high = (
        np.broadcast_to(np.asarray(x, dtype), space.shape) for x in (space.low, space.high)
    )
    return gymnasium.spaces.Box(low, high, space.shape, dtype.type)


def gymnasium_value(tree: PyTree, space: gymnasium.Space) -> Any:
    """An observation as numpy arrays of the space's dtypes."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {name: gymnasium_value(tree[name], part) for name, part in space.spaces.items()}
    if isinstance(space, gymnasium.spaces.Tuple):
        return tuple(gymnasium_value(x, part) for x, part in zip(tree, space.spaces, strict=True))
    if isinstance(space, gymnasium.spaces.Discrete):
        return space.dtype.type(tree)
    return np.asarray(tree, space.dtype)


def action_of(given: Any, space: gymnasium.Space, name: str = "action") -> np.ndarray:
    """An action as the compiled step takes it, of the space's shape and dtype. Numbers beyond a
    Box's bounds are left to the environment, which may clip them.

    Raises:
        ConfigError: for one of another shape, no number of the space, or NaN: a compiled step
            clamps an index and passes NaN on silently.
    """
    try:
        action = np.asarray(given)
    except ValueError:  # rows of several lengths
        action = np.asarray("")
    if action.shape != space.shape:
        fits = False
    elif isinstance(space, gymnasium.spaces.Box):
        fits = action.dtype.kind in "biuf" and np.isfinite(action).all()
    else:
        most = getattr(space, "nvec", getattr(space, "n", 2))
        fits = action.dtype.kind in "biu" and bool(((action >= 0) & (action < most)).all())
    if not fits:
        raise ConfigError(f"{name}={given!r} is no action of {space}.")
    return action.astype(space.dtype)


def as_numpy(info: PyTree) -> Any:
    """A step's `info` as numpy arrays."""
    return jax.tree.map(np.asarray, info)
