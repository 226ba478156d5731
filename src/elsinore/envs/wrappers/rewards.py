"""Wrappers that change rewards. The return of the raw rewards stays visible: `eval/raw_return` and
`episode/raw_return`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from elsinore.envs.wrappers.wrapper import RememberingWrapper, WrapperState

RAW = "raw_return"  # of the episode so far, in `info`


class RewardWrapper(RememberingWrapper, ABC):
    """A wrapper that changes the reward of each step in `change`."""

    remembers_obs = False  # True: `change` gets the observation before the step

    @property
    def episode_facts(self) -> Mapping[str, str]:
        return {**getattr(self.env, "episode_facts", {}), RAW: "raw return"}

    @abstractmethod
    def change(
        self,
        params: PyTree,
        obs: PyTree,
        action: Any,
        reward: Any,
        next_obs: PyTree,
        terminated: Any,
    ) -> Any:
        """The reward that is learnt from."""

    def reset_env(self, key: Array, params: PyTree) -> tuple[PyTree, PyTree]:
        obs, state = self.env.reset_env(key, params)
        return obs, self._state(state, jnp.float32(0.0), obs)

    def step_env(self, key: Array, state: PyTree, action: Any, params: PyTree) -> tuple:
        obs, inside, reward, terminated, info = self.env.step_env(
            key, state.env_state, action, params
        )
        raw = state.own[RAW] + jnp.asarray(reward, jnp.float32)
        changed = self.change(params, state.own.get("obs"), action, reward, obs, terminated)
        # of several such wrappers the innermost sees the raw rewards
        return obs, self._state(inside, raw, obs), changed, terminated, {RAW: raw} | info

    def _state(self, inside: PyTree, raw: Array, obs: PyTree) -> WrapperState:
        return WrapperState(inside, {RAW: raw} | ({"obs": obs} if self.remembers_obs else {}))


class ScaleReward(RewardWrapper):
    """Rewards times `env_params.reward_scale`."""

    def __init__(self, env: Any, factor: Any):
        if not is_number(factor):
            raise ValueError("must be a finite number.")
        super().__init__(env, reward_scale=float(factor))

    def change(self, params, obs, action, reward, next_obs, terminated):
        return reward * params.reward_scale


class ClipReward(RewardWrapper):
    """Rewards between `env_params.reward_low` and `env_params.reward_high`."""

    def __init__(self, env: Any, bounds: Any):
        low, high = two_numbers(bounds)
        super().__init__(env, reward_low=low, reward_high=high)

    def check_params(self, params: PyTree) -> None:
        low, high = np.asarray(params.reward_low), np.asarray(params.reward_high)
        if np.any(low > high):
            raise ValueError(
                f"reward_low={low.tolist()} must not be above reward_high={high.tolist()}."
            )
        super().check_params(params)

    def change(self, params, obs, action, reward, next_obs, terminated):
        return jnp.clip(reward, params.reward_low, params.reward_high)


class ShapeReward(RewardWrapper):
    """Rewards of a function `(obs, action, reward, next_obs) -> reward`, or with a `potential` of
    observations added: `gamma` x potential(next obs) - potential(obs).

    The second leaves the best policies as they are (Ng, Harada & Russell 1999) if `gamma`
    (`env_params.shaping_gamma`) is the discount of the learning. A terminal state's potential is 0;
    beyond a time limit the true final observation's counts.
    """

    remembers_obs = True

    def __init__(self, env: Any, given: Any):
        self.potential = isinstance(given, Mapping)
        if not self.potential:
            super().__init__(env)
            self.function = _function_of(given)
            return
        settings = {"gamma": 0.99, **given}
        if settings.keys() != {"potential", "gamma"} or not is_number(settings["gamma"]):
            raise ValueError("must be a function, or {potential: function, gamma: number}.")
        super().__init__(env, shaping_gamma=float(settings["gamma"]))
        self.function = _function_of(settings["potential"])

    def change(self, params, obs, action, reward, next_obs, terminated):
        if not self.potential:
            return self.function(obs, action, reward, next_obs)
        after = jnp.where(terminated, 0.0, self.function(next_obs))
        return reward + params.shaping_gamma * after - self.function(obs)


def _function_of(given: Any) -> Callable[..., Any]:
    if not callable(given):
        raise ValueError("must name a function, 'module:function'.")
    return given


def is_number(x: Any) -> bool:
    return isinstance(x, int | float | np.number) and not isinstance(x, bool) and np.isfinite(x)


def two_numbers(bounds: Any) -> tuple[float, float]:
    """(low, high) of a list of two.

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not all(map(is_number, bounds)):
        raise ValueError("must be two numbers, such as [-1, 1].")
    low, high = map(float, bounds)
    if low > high:
        raise ValueError("must have its lower number first.")
    return low, high
