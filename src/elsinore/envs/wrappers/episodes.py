"""Wrappers of whole episodes: a time limit, and parameters drawn for each episode."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from elsinore.envs.time_limit import LIMIT
from elsinore.envs.wrappers.rewards import two_numbers
from elsinore.envs.wrappers.wrapper import RememberingWrapper, WrapperState
from elsinore.validation import did_you_mean

LARGEST = 2**31 - 1  # a whole number of 32 bits


class TimeLimit(RememberingWrapper):
    """Episodes are truncated after `env_params.max_steps_in_episode` steps, by default `steps`."""

    def __init__(self, env: Any, steps: Any):
        if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= LARGEST:
            raise ValueError(f"must be a whole number of steps, from 1 to {LARGEST}.")
        super().__init__(env, **{LIMIT: steps})

    def reset_env(self, key: Array, params: PyTree) -> tuple[PyTree, PyTree]:
        obs, state = self.env.reset_env(key, params)
        return obs, WrapperState(state, jnp.int32(0))

    def step_env(self, key: Array, state: PyTree, action: Any, params: PyTree) -> tuple:
        obs, inside, *rest = self.env.step_env(key, state.env_state, action, params)
        return obs, WrapperState(inside, state.own + 1), *rest

    def is_truncated(self, state: PyTree, params: PyTree) -> Any:
        over = state.own >= getattr(params, LIMIT)
        return over | self.env.is_truncated(state.env_state, params)


class Randomise(RememberingWrapper):
    """Parameters drawn for each episode, uniformly from `env_params.<name>_range` (both ends
    included, whole numbers for an int): domain randomisation (Tobin 2017, arXiv:1703.06907)."""

    def __init__(self, env: Any, ranges: Any):
        if not isinstance(ranges, Mapping) or not ranges:
            raise ValueError("must be a mapping, such as {force_mag: [5.0, 15.0]}.")
        self._defaults = {
            name: _default_of(env, name) for name in sorted(ranges)
        }  # the order in which they are drawn
        own = {}
        for name, default in self._defaults.items():
            try:
                low, high = two_numbers(ranges[name])
            except ValueError as error:
                raise ValueError(f"has {name}={ranges[name]!r}, which {error}") from None
            whole = default.dtype.kind in "iu"
            if whole and (low != int(low) or high != int(high)):
                raise ValueError(f"has {name}={ranges[name]!r}, which must be whole numbers.")
            # of a float half the largest, so that the width is finite, too
            most = LARGEST if whole else float(np.finfo(np.float32).max) / 2
            if low < -most or high > most:
                raise ValueError(
                    f"has {name}={ranges[name]!r}, which must be from {-most:.10g} to {most:.10g}."
                )
            if name == LIMIT and low < 1:
                raise ValueError(f"has {name}={ranges[name]!r}, which must be at least 1 step.")
            own[f"{name}_range"] = np.array([low, high], np.int32 if whole else np.float32)
        super().__init__(env, **own)

    def check_params(self, params: PyTree) -> None:
        """Refuse ranges whose numbers are in the other order, and episodes without a step.

        Raises:
            ValueError: naming the parameter.
        """
        for name in self._defaults:
            ends = np.asarray(getattr(params, f"{name}_range"))  # [..., 2]
            given = f"{name}_range={ends.tolist()}"
            if np.any(ends[..., 0] > ends[..., 1]):
                raise ValueError(f"{given} must have its lower number first.")
            if name == LIMIT and np.any(ends < 1):
                raise ValueError(f"{given} must be at least 1 step.")
        super().check_params(params)

    def doubts(self, params: PyTree) -> list[str]:
        """Warnings about numbers that are given and never used."""
        inside = getattr(self.env, "doubts", lambda params: [])(params)
        unused = [n for n, x in self._defaults.items() if np.any(getattr(params, n) != x)]
        return [
            *inside,
            *(f"env_params.{n} is not used: {n} is drawn from {n}_range." for n in unused),
        ]

    def bare(self, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        return state.env_state, params.replace(**state.own)

    def reset_env(self, key: Array, params: PyTree) -> tuple[PyTree, PyTree]:
        draw_key, key = jax.random.split(key)
        drawn = self._draw(draw_key, params)
        obs, state = self.env.reset_env(key, params.replace(**drawn))
        return obs, WrapperState(state, drawn)

    def step_env(self, key: Array, state: PyTree, action: Any, params: PyTree) -> tuple:
        inside, drawn = self.bare(state, params)
        obs, inside, *rest = self.env.step_env(key, inside, action, drawn)
        return obs, WrapperState(inside, state.own), *rest

    def _draw(self, key: Array, params: PyTree) -> dict[str, Array]:
        drawn = {}
        keys = jax.random.split(key, len(self._defaults))
        for (name, default), key_of in zip(self._defaults.items(), keys, strict=True):
            low, high = jnp.asarray(getattr(params, f"{name}_range"))
            if default.dtype.kind in "iu":
                # `high + 1` may be too large for 32 bits, and then `low` alone would be drawn
                drawn[name] = jax.random.randint(key_of, (), low - 1, high) + 1
            else:
                drawn[name] = jax.random.uniform(key_of, (), minval=low, maxval=high)
        return drawn


def _default_of(env: Any, name: str) -> np.ndarray:
    """The default of a parameter that can be drawn.

    Raises:
        ValueError: for any other.
    """
    params = env.default_params
    fields = {field.name: field for field in dataclasses.fields(params)}
    if name not in fields:
        raise ValueError(
            f"has {name!r}, which is no parameter of what it wraps; one of another wrapper is"
            f" drawn by a randomise after that{did_you_mean(name, fields, 0.6, 'known')}"
        )
    default = np.asarray(getattr(params, name))
    if not fields[name].metadata.get("pytree_node", True):
        raise ValueError(f"has {name!r}, which fixes shapes and cannot change in an episode.")
    if default.ndim or default.dtype.kind not in "iuf":
        raise ValueError(f"has {name!r}, whose default {default.tolist()!r} is not a number.")
    return default
