"""Spaces of Gymnasium, read by the names of their classes: theirs to ours, and values both ways."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from gymnax.environments import spaces
from jaxtyping import PyTree

from elsinore.envs.numbers import read_numbers
from elsinore.envs.spaces import MultiDiscrete
from elsinore.errors import ConfigError

READABLE = "Box, Discrete, MultiDiscrete, MultiBinary and Dict of these"


class Space(NamedTuple):
    """A space of ours, and conversions of single values.

    `read` makes numpy arrays of a value of the environment's, `write` a value of the environment's
    of numpy arrays.
    """

    space: Any
    read: Callable[[Any], PyTree] = lambda value: value
    write: Callable[[Any], Any] = lambda value: value
    reads_rows: bool = False  # `read` reads several at once, too

    @property
    def dtype(self) -> Any:
        return np.dtype(np.float32 if type(self.space).__name__ == "Box" else np.int32)

    def zeros(self) -> PyTree:
        """An observation of zeros."""

        def of(space: Any) -> PyTree:
            if isinstance(space, spaces.Dict):
                return {name: of(part) for name, part in space.spaces.items()}
            return np.zeros(space.shape, space.dtype)

        return of(self.space)

    def read_rows(self, values: Any) -> PyTree:
        """`read` of several values, [row, ...] each."""
        if self.reads_rows:
            return self.read(values)
        leaf = values
        while isinstance(leaf, dict):
            leaf = next(iter(leaf.values()))
        each = (jax.tree.map(lambda x, i=i: x[i], values) for i in range(len(leaf)))
        return self.stack([self.read(value) for value in each])

    def stack(self, values: list[PyTree]) -> PyTree:
        """Observations side by side, [row, ...]."""
        if isinstance(self.space, spaces.Dict):
            return jax.tree.map(lambda *x: np.stack(x), *values)
        return np.stack(values)


def observation_space_of(
    space: Any, name: str, at: str = "observation space", exact: bool = False
) -> Space:
    """The space of observations: numbers as they are (64 bits as 32, and the channels of an image
    last), choices as one-hot vectors.

    Args:
        exact: reading refuses numbers that an integer dtype would change. The check of a host
            environment looks for them before its first run instead.

    Raises:
        ConfigError: for a space that a network cannot read, naming it.
    """
    kind = type(space).__name__
    if kind == "Box":
        return _numbers(space, exact)
    if kind == "Discrete":
        return _one_hot([int(space.n)], [int(getattr(space, "start", 0))])
    if kind == "MultiDiscrete":
        starts = np.ravel(getattr(space, "start", np.zeros_like(space.nvec)))
        return _one_hot(np.ravel(space.nvec).tolist(), starts.tolist())
    if kind == "MultiBinary":
        shape = tuple(np.atleast_1d(space.shape).tolist())
        bits = partial(read_numbers, dtype=np.dtype(bool), exact=True)
        return Space(spaces.Box(0, 1, shape, np.float32), lambda x: bits(x).astype(np.float32))
    if kind == "Dict":
        if odd := [key for key in space.spaces if not isinstance(key, str)]:
            raise ConfigError(
                f"env={name!r}: its {at} has the key {odd[0]!r}, which is no text, as checkpoints"
                f" and files need; name it, such as {str(odd[0])!r}."
            )
        parts = {
            key: observation_space_of(part, name, f"{at} at {key!r}", exact)
            for key, part in space.spaces.items()
        }
        ours = spaces.Dict({key: part.space for key, part in parts.items()})
        return Space(ours, lambda x: {key: part.read(x[key]) for key, part in parts.items()})
    raise ConfigError(
        f"env={name!r}: its {at} is {kind}, which no network here reads; {READABLE} are read. Wrap"
        " the environment, as gymnasium.wrappers.FlattenObservation or TransformObservation does."
    )


def _numbers(space: Any, exact: bool) -> Space:
    """Numbers of 32 bits at most; an image whose channels come first has them last."""
    dtype, shape = np.dtype(space.dtype), tuple(space.shape)
    short = {"f": np.float32, "i": np.int32, "u": np.uint32}.get(dtype.kind, dtype)
    dtype = np.dtype(short) if dtype.itemsize > 4 or dtype.kind == "f" else dtype
    low, high = (_clipped(getattr(space, name), dtype) for name in ("low", "high"))
    read = partial(read_numbers, dtype=dtype, exact=exact)
    if dtype == np.uint8 and len(shape) == 3 and shape[0] <= 16 < min(shape[1:]):
        low, high = (np.moveaxis(np.broadcast_to(x, shape), 0, 2) for x in (low, high))
        ours = spaces.Box(low, high, (*shape[1:], shape[0]), dtype)
        return Space(ours, lambda x: np.moveaxis(read(x), -3, -1), reads_rows=True)
    return Space(spaces.Box(low, high, shape, dtype), read, reads_rows=True)


def _clipped(bound: Any, dtype: np.dtype) -> Any:
    """A bound in the dtype, one number where it is the same everywhere."""
    bound = np.asarray(bound)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        bound = np.clip(bound, info.min, info.max)
    bound = bound.astype(dtype)
    return bound.flat[0].item() if bound.size and (bound == bound.flat[0]).all() else bound


def _one_hot(sizes: list[int], starts: list[int]) -> Space:
    """Choices of these sizes, each from its start on, as one-hot vectors side by side."""
    offsets, width = np.cumsum([0, *sizes[:-1]]), sum(sizes)

    def read(value: Any) -> PyTree:
        """The vectors of a value; ValueError for one out of range, which would set another's."""
        if np.size(value) != len(sizes):
            raise ValueError(f"{value} is not in its space, of {len(sizes)} choices")
        chosen: Any = np.ravel(value) - starts
        if np.any((chosen < 0) | (chosen >= sizes)):
            last = np.add(starts, sizes) - 1
            raise ValueError(f"{value} is not in its space, from {starts} to {last.tolist()}")
        seen = np.zeros(width, np.float32)
        seen[chosen + offsets] = 1.0
        return seen

    return Space(spaces.Box(0, 1, (width,), np.float32), read)


def action_space_of(space: Any, name: str) -> Space:
    """The space of actions; a Box of several axes is flat, a MultiBinary is choices of two.

    Raises:
        ConfigError: for a space without a counterpart, naming it.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        start = int(getattr(space, "start", 0))
        return Space(spaces.Discrete(int(space.n)), write=lambda x: int(x) + start)
    if kind == "MultiDiscrete":
        nvec = np.asarray(space.nvec)
        starts = np.asarray(getattr(space, "start", np.zeros_like(nvec)))
        ours = MultiDiscrete(nvec.ravel().tolist())
        return Space(ours, write=lambda x: np.reshape(x, nvec.shape).astype(nvec.dtype) + starts)
    if kind == "MultiBinary":
        shape = tuple(np.atleast_1d(space.shape).tolist())
        ours = MultiDiscrete([2] * int(np.prod(shape)))
        return Space(ours, write=lambda x: np.reshape(x, shape).astype(np.int8))
    if kind == "Box" and np.dtype(space.dtype).kind == "f":
        shape, dtype = tuple(space.shape), np.dtype(space.dtype)
        bounds = [np.broadcast_to(x, shape).astype(dtype) for x in (space.low, space.high)]
        low, high = (np.ravel(x).astype(np.float32) for x in bounds)
        ours = spaces.Box(low, high, (int(np.prod(shape)),))

        def write(x: Any) -> np.ndarray:  # an array, also of no axes
            # a bound of 64 bits may be rounded outward to 32
            return np.asarray(np.clip(np.reshape(x, shape).astype(dtype), *bounds))

        return Space(ours, write=write)
    raise ConfigError(
        f"env={name!r}: its action space is {space}, which no algorithm here has;"
        " Discrete, MultiDiscrete, MultiBinary and Box of floats are. Wrap the environment, as"
        " gymnasium.wrappers.TransformAction does."
    )
