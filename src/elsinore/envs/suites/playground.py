"""MuJoCo Playground (Zakka 2025, arXiv:2502.08844): its DM Control, `playground/CartpoleBalance`.

The physics is MJX in JAX (`env_kwargs.impl`, by default `jax`), which a CPU can run. The robots of
Playground download their models, and are not listed.
"""

from typing import Any

import numpy as np
from mujoco_playground import dm_control_suite, registry  # pyright: ignore[reportMissingImports]

from elsinore.envs.suites.body import LIMIT, Body


class Playground(Body):
    """A body of Playground, without its wrappers; `env_kwargs` change its config by dotted name."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        return tuple(sorted(dm_control_suite.ALL_ENVS))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> "Playground":
        limit = registry.get_default_config(env_id).get("episode_length", LIMIT)
        native = registry.load(env_id, config_overrides={"impl": "jax", **kwargs})
        return cls(native, f"playground/{env_id}", limit)

    @classmethod
    def of(cls, native: Any) -> "Playground":
        bare = native.unwrapped
        limit = bare._config.get("episode_length", LIMIT)
        return cls(bare, cls.named("playground", bare), limit)

    def bodies(self, world):
        parents = np.asarray(self.native.mj_model.body_parentid) - 1  # the first is the world
        return np.asarray(world.data.xpos)[1:], parents[1:].tolist()
