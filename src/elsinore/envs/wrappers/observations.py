"""Wrappers that change observations. An `action_mask` passes through as it is; what becomes one
array is called `observation` beside it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, PyTree

from elsinore.envs.wrappers.wrapper import RememberingWrapper, Wrapper, WrapperState

MASK = "action_mask"
DTYPES = ("bool", "uint8", "int8", "int16", "int32")
MOST_FRAMES = 1024  # of a stack


class ObservationWrapper(Wrapper, ABC):
    """A wrapper that changes each observation, and its space, without remembering anything."""

    @abstractmethod
    def change(self, obs: PyTree) -> PyTree:
        """The observation that the policy reads."""

    @abstractmethod
    def change_space(self, space: Any) -> Any:
        """The space of the changed observations."""

    def reset_env(self, key: Array, params: PyTree) -> tuple[PyTree, PyTree]:
        obs, state = self.env.reset_env(key, params)
        return self.change(obs), state

    def step_env(self, key: Array, state: PyTree, action: Any, params: PyTree) -> tuple:
        obs, *rest = self.env.step_env(key, state, action, params)
        return self.change(obs), *rest

    def observation_space(self, params: PyTree) -> Any:
        return self.change_space(self.env.observation_space(params))


class Flatten(ObservationWrapper):
    """The observation as one vector of float32."""

    def change(self, obs: PyTree) -> PyTree:
        seen, mask = split_mask(obs)
        leaves = [jnp.ravel(x).astype(jnp.float32) for x in jax.tree.leaves(seen)]
        return with_mask(jnp.concatenate(leaves), mask)

    def change_space(self, space: Any) -> Any:
        seen, mask = split_mask(getattr(space, "spaces", space))
        size = sum(int(np.prod(leaf.shape)) for leaf in _leaves(seen))
        flat = with_mask(spaces.Box(-jnp.inf, jnp.inf, (size,)), mask)
        return spaces.Dict(flat) if isinstance(flat, dict) else flat


class OneHot(ObservationWrapper):
    """Each discrete part of the observation as a vector with a 1 at its value, float32."""

    def __init__(self, env: Any):
        super().__init__(env)
        space = env.observation_space(env.default_params)
        self._seen, _ = split_mask(getattr(space, "spaces", space))
        if not any(map(_options, _leaves(self._seen))):
            raise ValueError(
                f"finds nothing discrete in {self._seen}; it must come before wrappers that make"
                " arrays of observations (flatten, frame_stack)."
            )

    def change(self, obs: PyTree) -> PyTree:
        seen, mask = split_mask(obs)
        return with_mask(_one_hot(self._seen, seen), mask)

    def change_space(self, space: Any) -> Any:
        def one_hot(leaf: Any) -> Any:
            size = sum(_options(leaf))
            return spaces.Box(0.0, 1.0, (size,)) if size else leaf

        return _map_but_mask(one_hot, space)


class ObsDtype(ObservationWrapper):
    """Observations of whole numbers in a smaller dtype, which rollouts and replay buffers keep.

    A float32 takes four bytes, a `bool` or a `uint8` one. A network reads the same numbers, but for
    `encoder: nature`, to which uint8 means pixels.
    """

    def __init__(self, env: Any, dtype: Any):
        super().__init__(env)
        if dtype not in DTYPES:
            raise ValueError(f"must be one of {', '.join(DTYPES)}.")
        self.dtype = np.dtype(dtype)
        least, most = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        space = env.observation_space(env.default_params)
        seen, _ = split_mask(getattr(space, "spaces", space))
        for leaf in _leaves(seen):
            low, high = _bounds(leaf)
            ends = np.concatenate([np.ravel(low), np.ravel(high)])
            if (ends != np.round(ends)).any() or ends.min() < least or ends.max() > most:
                raise ValueError(
                    f"cannot hold the numbers of {leaf}; its bounds must be whole numbers from"
                    f" {least} to {most}. Leave the wrapper out, or correct observation_space."
                )

    def change(self, obs: PyTree) -> PyTree:
        seen, mask = split_mask(obs)
        return with_mask(jax.tree.map(lambda x: jnp.asarray(x).astype(self.dtype), seen), mask)

    def change_space(self, space: Any) -> Any:
        def narrowed(leaf: Any) -> Any:
            return spaces.Box(*_bounds(leaf), tuple(leaf.shape), self.dtype)

        return _map_but_mask(narrowed, space)


class LostNumbers(ObsDtype):
    """Observes whether an `ObsDtype` in its place would change a number, for `check_env`."""

    def change(self, obs: PyTree) -> PyTree:
        seen, mask = split_mask(obs)
        kept, _ = split_mask(super().change(obs))
        lost = [jnp.any(x != y) for x, y in zip(*map(jax.tree.leaves, (seen, kept)), strict=True)]
        return with_mask({"lost": jnp.stack(lost).any()}, mask)


class FrameStack(RememberingWrapper):
    """The last `frames` observations, the oldest first, joined along their last axis.

    An image's frames are further channels, and a vector stays a vector. At an episode's start its
    first observation is repeated.
    """

    def __init__(self, env: Any, frames: Any):
        super().__init__(env)
        if type(frames) is not int or not 2 <= frames <= MOST_FRAMES:
            raise ValueError(f"must be a whole number from 2 to {MOST_FRAMES}.")
        self.frames = frames

    def reset_env(self, key: Array, params: PyTree) -> tuple[PyTree, PyTree]:
        obs, state = self.env.reset_env(key, params)
        seen, mask = split_mask(obs)
        frames = jax.tree.map(
            lambda x: jnp.concatenate([jnp.atleast_1d(x)] * self.frames, axis=-1), seen
        )
        return with_mask(frames, mask), WrapperState(state, frames)

    def step_env(self, key: Array, state: PyTree, action: Any, params: PyTree) -> tuple:
        obs, inside, *rest = self.env.step_env(key, state.env_state, action, params)
        seen, mask = split_mask(obs)
        frames = jax.tree.map(_push, state.own, seen)
        return with_mask(frames, mask), WrapperState(inside, frames), *rest

    def observation_space(self, params: PyTree) -> Any:
        return _map_but_mask(self._stacked, self.env.observation_space(params))

    def _stacked(self, space: Any) -> spaces.Box:
        """The space of `frames` observations of a simple space."""
        shape, often = tuple(space.shape) or (1,), self.frames
        low, high = (
            x if np.ndim(x) == 0 else np.concatenate([np.broadcast_to(x, shape)] * often, -1)
            for x in _bounds(space)
        )
        return spaces.Box(low, high, (*shape[:-1], often * shape[-1]), space.dtype)


def split_mask(obs: Any) -> tuple[Any, Any]:
    """(the rest, the action mask) of an observation or of its space's parts; None without one."""
    if not isinstance(obs, Mapping) or MASK not in obs:
        return obs, None
    return {name: part for name, part in obs.items() if name != MASK}, obs[MASK]


def with_mask(seen: Any, mask: Any) -> Any:
    """The inverse of `split_mask`; an array beside a mask is called `observation`."""
    if mask is None:
        return seen
    return {MASK: mask, **(seen if isinstance(seen, Mapping) else {"observation": seen})}


def _push(frames: Array, x: Any) -> Array:
    """The frames with `x` instead of the oldest."""
    x = jnp.atleast_1d(x)
    return jnp.concatenate([frames[..., x.shape[-1] :], x], axis=-1)


def _options(space: Any) -> tuple[int, ...]:
    """The number of values of each entry of a Discrete or MultiDiscrete space; () for others."""
    return tuple(getattr(space, "nvec", (space.n,) if hasattr(space, "n") else ()))


def _bounds(space: Any) -> tuple[Any, Any]:
    """The least and the largest value of each entry of a simple space."""
    if options := _options(space):
        return 0, np.subtract(options, 1).reshape(tuple(space.shape))
    return space.low, space.high


def _one_hot(space: Any, obs: Any) -> Any:
    """Of a space or of its parts."""
    inner = getattr(space, "spaces", space)
    if isinstance(inner, Mapping):
        return {name: _one_hot(inner[name], part) for name, part in obs.items()}
    if isinstance(inner, list | tuple):
        return tuple(_one_hot(*pair) for pair in zip(inner, obs, strict=True))
    values = jnp.ravel(obs)
    parts = [jax.nn.one_hot(values[i], n) for i, n in enumerate(_options(space))]
    return jnp.concatenate(parts) if parts else obs


def _map_but_mask(function: Callable[[Any], Any], space: Any) -> Any:
    """The space with each simple space in it changed, but for that of its action mask."""
    seen, mask = split_mask(getattr(space, "spaces", space))
    if mask is None:
        return _map_space(function, space)
    return spaces.Dict({MASK: mask, **_map_space(function, spaces.Dict(seen)).spaces})


def _map_space(function: Callable[[Any], Any], space: Any) -> Any:
    """The space with each simple space in it changed."""
    inner = getattr(space, "spaces", None)
    if isinstance(inner, Mapping):
        return spaces.Dict({name: _map_space(function, part) for name, part in inner.items()})
    if inner is not None:
        return spaces.Tuple([_map_space(function, part) for part in inner])
    return function(space)


def _leaves(space: Any) -> Iterator[Any]:
    """Every simple space in a space, or in a mapping of spaces."""
    inner = getattr(space, "spaces", space)
    if isinstance(inner, Mapping):
        inner = list(inner.values())
    if isinstance(inner, list | tuple):
        for part in inner:
            yield from _leaves(part)
    else:
        yield inner
