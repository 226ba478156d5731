"""One of our worlds as a Gymnasium environment.

env = gymnasium_env("Balatro-stage0")
obs, info = env.reset(seed=1)
obs, reward, terminated, truncated, info = env.step(env.action_space.sample(env.action_masks().astype("int8")))
"""

from typing import Any

import gymnasium
import jax
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.experience.autoreset import reset, true_step
from elsinore.host.adapters.spaces import gymnasium_space, gymnasium_value, plain


class GymnasiumEnv(gymnasium.Env):
    """A world stepped one action at a time, compiled once; slower than training in it, and the same world.

    `action_masks()` is what sb3-contrib's MaskablePPO asks for.
    """

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self, env: Any, params: PyTree):
        self._env, self._params = env, params
        self.observation_space = gymnasium_space(env.observation_space(params))
        self.action_space = gymnasium_space(env.action_space(params))
        # Made within the program: a key made outside takes as long as a step of a small world.
        self._reset = jax.jit(lambda seed, params: reset(env, jax.random.key(seed), params))
        self._step = jax.jit(lambda seed, *given: true_step(env, jax.random.key(seed), *given))
        self._state: Any = None
        self._obs: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        obs, self._state = self._reset(self._drawn(), self._params)
        return self._seen(obs), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Raises:
        ValueError: before the first reset."""
        if self._state is None:
            raise ValueError("step() needs a world to act in; call reset() first.")
        out = self._step(self._drawn(), self._state, np.asarray(action), self._params)
        self._state = out.state
        obs = self._seen(out.obs)
        return obs, float(out.reward), bool(out.terminated), bool(out.truncated), plain(out.info)

    def action_masks(self) -> np.ndarray:
        """Which actions are legal now, [action].

        Raises:
            ValueError: for a world without illegal actions.
        """
        if not isinstance(self._obs, dict) or "action_mask" not in self._obs:
            raise ValueError("this world has no illegal actions; train without masks.")
        return np.asarray(self._obs["action_mask"], bool)

    def _seen(self, obs: PyTree) -> Any:
        self._obs = gymnasium_value(jax.device_get(obs), self.observation_space)
        return self._obs

    def _drawn(self) -> np.int32:
        """The seed of whatever is random in a step."""
        return np.int32(self.np_random.integers(2**31))


def gymnasium_env(env: Any, kwargs: dict[str, Any] | None = None, params: dict[str, Any] | None = None) -> GymnasiumEnv:
    """A world by name, `"module:Class"` or instance, as `elsinore.envs.make` takes them.

    Raises:
        ValueError: as `make` does, or for a space that Gymnasium does not have.
    """
    return GymnasiumEnv(*envs.make(env, kwargs, params))
