"""Navix (Pignatelli 2024, arXiv:2407.19396): MiniGrid in JAX, `navix/Navix-Empty-5x5-v0`.

`env_kwargs.observation_fn` may name one of `navix.observations`, such as `symbolic_first_person`.
The reward at the goal is 1, not MiniGrid's 1 - 0.9 t / T.
"""

from typing import Any

import jax
import navix
from gymnax.environments import spaces
from navix.environments.wrappers import ToGymnax  # pyright: ignore[reportMissingImports]

from elsinore.envs.picture import picture
from elsinore.envs.scene import Scene
from elsinore.envs.suites.adapter import SuiteEnv
from elsinore.errors import ConfigError


class Navix(SuiteEnv):
    """A grid world; its limit is Navix's own by default."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        return tuple(sorted(navix.registry()))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> "Navix":
        name = kwargs.get("observation_fn")
        if isinstance(name, str):
            if not hasattr(navix.observations, name):
                raise ConfigError(
                    f"env_kwargs.observation_fn={name!r} is not in navix.observations; give"
                    " symbolic, categorical or rgb, alone or with _first_person."
                )
            kwargs["observation_fn"] = getattr(navix.observations, name)
        return cls._bare(navix.make(env_id, **kwargs), f"navix/{env_id}")

    @classmethod
    def of(cls, native: Any) -> "Navix":
        native = native.env if isinstance(native, ToGymnax) else native
        return cls._bare(native, cls.named("navix", native))

    @classmethod
    def _bare(cls, native: Any, name: str) -> "Navix":
        return cls(native.replace(disable_autoreset=True), name, native.max_steps)

    def action_space(self, params: Any) -> spaces.Discrete:
        return spaces.Discrete(len(self.native.action_set))

    def begin(self, key):
        world = self.native.reset(key)
        return world.observation, world

    def advance(self, key, world, action):
        world = self.native.step(world, action)
        return world.observation, world, world.reward, world.is_termination(), {}

    _drawn = staticmethod(jax.jit(navix.observations.rgb))

    def action_names(self, params: Any) -> tuple[str, ...]:
        return tuple(action.__name__.replace("_", " ") for action in self.native.action_set)

    def scene(self, params: Any, state: Any) -> Scene:
        """The grid as Navix draws it."""
        pixels = self._drawn(state.world.state)
        return Scene(self.name, (picture("drawn by Navix", pixels),))
