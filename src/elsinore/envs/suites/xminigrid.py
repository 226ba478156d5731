"""XLand-MiniGrid (Nikulin 2023, arXiv:2312.12044): `xminigrid/MiniGrid-Empty-5x5` and others.

The reward at the goal is 1 - 0.9 t / T with the library's own limit T, which stays as it is:
`max_steps_in_episode` changes the time limit alone. XLand's environments need a ruleset, which is a
download: give the object with its parameters.
"""

import copy
from typing import Any

import xminigrid
from gymnax.environments import spaces
from xminigrid.rendering.rgb_render import render  # pyright: ignore[reportMissingImports]
from xminigrid.wrappers import (  # pyright: ignore[reportMissingImports]
    DmEnvAutoResetWrapper,
    GymAutoResetWrapper,
    Wrapper,
)

from elsinore.envs.picture import picture
from elsinore.envs.scene import Scene
from elsinore.envs.suites.adapter import SuiteEnv

ACTIONS = ("forward", "turn right", "turn left", "pick up", "put down", "toggle")


class XMiniGrid(SuiteEnv):
    """A grid world and its parameters, which fix shapes; `env_kwargs` replace some of them."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        known = xminigrid.registered_environments()
        return tuple(x for x in known if x.startswith("MiniGrid-"))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> "XMiniGrid":
        native, rules = xminigrid.make(env_id, **kwargs)
        return cls(native, f"xminigrid/{env_id}", rules)

    @classmethod
    def of(cls, native: Any) -> "XMiniGrid":
        """The adapter of an environment, or of it and its parameters."""
        native, rules = native if isinstance(native, tuple) else (native, native.default_params())
        native = without_autoreset(native)
        return cls(native, cls.named("xminigrid", native), rules)

    def __init__(self, native: Any, name: str, rules: Any):
        super().__init__(native, name, rules.max_steps)
        self.rules = rules

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(self.native.num_actions(self.rules))

    def begin(self, key):
        world = self.native.reset(self.rules, key)
        return world.observation, world

    def advance(self, key, world, action):
        world = self.native.step(self.rules, world, action)
        return world.observation, world, world.reward, world.discount == 0, {}

    def action_names(self, params: Any) -> tuple[str, ...]:
        return ACTIONS

    def scene(self, params: Any, state: Any) -> Scene:
        """The grid as XLand-MiniGrid draws it, with what the agent sees in a lighter shade."""
        world = state.world.state
        pixels = render(world.grid, world.agent, self.rules.view_size)
        return Scene(self.name, (picture("drawn by XLand-MiniGrid", pixels),))


def without_autoreset(native: Any) -> Any:
    """An environment without those of its wrappers that reset it; others stay."""
    if not isinstance(native, Wrapper):
        return native
    inner = without_autoreset(native._env)
    if isinstance(native, GymAutoResetWrapper | DmEnvAutoResetWrapper):
        return inner
    copied = copy.copy(native)
    copied._env = inner
    return copied
