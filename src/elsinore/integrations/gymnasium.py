"""An elsinore environment with Gymnasium's API.

    env = gymnasium_env("Balatro-stage0")
    obs, info = env.reset(seed=1)
    action = env.action_space.sample(env.action_masks().astype("int8"))
    obs, reward, terminated, truncated, info = env.step(action)

`reset` and `step` are compiled once for each environment.
"""

from typing import Any

import gymnasium
import jax
import numpy as np
from jaxtyping import PyTree

from elsinore import envs
from elsinore.arguments import checked
from elsinore.envs.scene import Scene
from elsinore.envs.suites import refuse_on_host
from elsinore.envs.views import view_of
from elsinore.errors import ConfigError
from elsinore.experience.autoreset import env_step, reset
from elsinore.integrations.frames import Frames, check_render_mode
from elsinore.integrations.spaces import (
    AS_IT_IS,
    action_of,
    as_numpy,
    gymnasium_space,
    gymnasium_value,
)


class GymnasiumEnv(gymnasium.Env):
    """A single environment, stepped one action at a time.

    `action_masks()` is the method that sb3-contrib's MaskablePPO calls. `jax_env`, `params` and
    `state` are the JAX environment, its parameters and its present state (None before a reset), for
    rules that read them.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10.0}  # noqa: RUF012

    def __init__(self, env: Any, params: PyTree, render_mode: str | None = None):
        check_render_mode(render_mode)
        refuse_on_host(env, AS_IT_IS)
        if (agents := getattr(env, "fixed_agents", 1)) > 1:
            raise ConfigError(
                f"env={env.name!r} has {agents} agents, and gymnasium_env has one; use"
                f" elsinore.parallel_env({env.name!r}, agents={agents})."
            )
        self.jax_env, self.params = env, params
        self._view, self.render_mode, self._frames = view_of(env), render_mode, Frames()
        self.metadata = {**self.metadata, "render_fps": self._view.steps_per_second}
        self.observation_space = gymnasium_space(env.observation_space(params))
        self.action_space = gymnasium_space(env.action_space(params))
        # Keys are made in the program: one made outside takes as long as a small step.
        self._reset = jax.jit(lambda seed, params: reset(env, jax.random.key(seed), params))
        self._step = jax.jit(lambda seed, *given: env_step(env, jax.random.key(seed), *given))
        self.state: Any = None
        self._obs: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        obs, self.state = self._reset(self._draw_seed(), self.params)
        return self._convert(obs), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step: obs, reward, terminated, truncated, info.

        Raises:
            ValueError: before the first reset, or for what is no action of the space.
        """
        if self.state is None:
            raise ValueError("step() was called before the first reset(); call reset() first.")
        action = action_of(action, self.action_space)
        out = self._step(self._draw_seed(), self.state, action, self.params)
        self.state = out.state
        obs = self._convert(out.obs)
        return obs, float(out.reward), bool(out.terminated), bool(out.truncated), as_numpy(out.info)

    def render(self) -> np.ndarray | None:
        """The present state as `elsinore play` draws it, uint8 [height, width, 3]: a frame a step
        for Gymnasium's RecordVideo. None without `render_mode="rgb_array"`.

        Raises:
            ValueError: before the first reset.
        """
        reset = self.state is not None
        return self._frames.draw(self.render_mode, self._scene if reset else None)

    def _scene(self) -> Scene:
        params, state = jax.device_get((self.params, self.state))
        return self._view.scene(self.jax_env, params, state)

    def action_masks(self) -> np.ndarray:
        """The mask of legal actions in the present state, bool [action].

        Raises:
            ValueError: if the environment has no `action_mask` in its observation.
        """
        if not isinstance(self._obs, dict) or "action_mask" not in self._obs:
            raise ValueError("this environment has no illegal actions; train without masks.")
        return np.asarray(self._obs["action_mask"], bool)

    def _convert(self, obs: PyTree) -> Any:
        self._obs = gymnasium_value(jax.device_get(obs), self.observation_space)
        return self._obs

    def _draw_seed(self) -> np.int32:
        """The seed of the next step's randomness."""
        return np.int32(self.np_random.integers(2**31))


@checked
def gymnasium_env(
    env: Any,
    kwargs: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    render_mode: str | None = None,
) -> GymnasiumEnv:
    """A Gymnasium environment; the first arguments are those of `elsinore.envs.make`. With
    `render_mode="rgb_array"`, `render` draws the present state.

    Raises:
        ValueError: as `make`, for a space that Gymnasium does not have, several agents, or another
            render mode.
    """
    return GymnasiumEnv(*envs.make(env, kwargs, params), render_mode=render_mode)
