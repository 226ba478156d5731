"""Jumanji (Bonnet 2024, arXiv:2306.09884): `jumanji/Snake-v1` and others of one reward.

Jumanji ends an episode at its time limit with discount 0, as if by death. Here its limit is lifted,
and `max_steps_in_episode` truncates instead.
"""

import builtins
import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces
from jaxtyping import Array, PyTree

from elsinore.envs.picture import picture
from elsinore.envs.plain_scene import plain_scene
from elsinore.envs.scene import Scene
from elsinore.envs.spaces import MultiDiscrete
from elsinore.envs.suites.adapter import FOREVER, SuiteEnv, never_empty
from elsinore.errors import ConfigError


@contextmanager
def _outside_ipython() -> Iterator[None]:
    """IPython's mark is hidden: Jumanji, imported in a notebook, sets matplotlib's backend to
    ipympl, and fails where that is not installed."""
    inside = getattr(builtins, "__IPYTHON__", False)
    setattr(builtins, "__IPYTHON__", False)  # noqa: B010
    try:
        yield
    finally:
        setattr(builtins, "__IPYTHON__", inside)  # noqa: B010


with _outside_ipython():
    import jumanji
    from jumanji.viewer import Viewer

# A reward for each agent, or actions that are not discrete.
NOT_HERE = ("Connector-v3", "LevelBasedForaging-v0", "SearchAndRescue-v0", "MultiCVRP-v0")
FETCHED = ("Sokoban-v0",)  # its levels are a download


class Jumanji(SuiteEnv):
    """An environment of discrete actions and one reward.

    Where the legality of several choices is joint, they are one flat choice. An episode without a
    limit of its own has 1000 steps.
    """

    @staticmethod
    def ids() -> tuple[str, ...]:
        known = jumanji.registered_environments()
        return tuple(sorted(x for x in known if x not in (*NOT_HERE, *FETCHED)))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> "Jumanji":
        return cls._bare(jumanji.make(env_id, **kwargs), f"jumanji/{env_id}")

    @classmethod
    def of(cls, native: Any) -> "Jumanji":
        return cls._bare(native.unwrapped, cls.named("jumanji", native.unwrapped))

    @classmethod
    def _bare(cls, native: Any, name: str) -> "Jumanji":
        """The adapter of a copy without a time limit.

        Raises:
            ConfigError: for continuous actions, or a reward for each agent.
        """
        if native.reward_spec.shape or not hasattr(native.action_spec, "num_values"):
            raise ConfigError(
                f"env={name!r} has rewards of shape {native.reward_spec.shape} and actions"
                f" {native.action_spec}; adapted are those of one reward and discrete actions."
            )
        native, limit = copy.copy(native), getattr(native, "time_limit", None)
        if limit is not None:
            native.time_limit = FOREVER
        return cls(native, name, limit or 1000)

    def __init__(self, native: Any, name: str, limit: int):
        super().__init__(native, name, limit)
        self.nvec = tuple(np.atleast_1d(native.action_spec.num_values).tolist())
        mask = dict(_fields(native.observation_spec)).get("action_mask")
        # one flag for each combination of choices, rather than for each option of each choice
        self.joint = len(self.nvec) > 1 and mask is not None and mask.shape == self.nvec

    def action_space(self, params: Any) -> spaces.Discrete | MultiDiscrete:
        if self.joint or len(self.nvec) == 1:
            return spaces.Discrete(int(np.prod(self.nvec)))
        return MultiDiscrete(self.nvec)

    def _native_action(self, action: Array) -> Array:
        if self.joint:
            action = jnp.stack(jnp.unravel_index(action, self.nvec))
        return jnp.reshape(action, self.native.action_spec.shape).astype(jnp.int32)

    def _seen(self, observation: Any) -> PyTree:
        seen = _as_dict(observation)
        if isinstance(seen, dict) and "action_mask" in seen:
            mask = seen["action_mask"].reshape(-1) if self.joint else seen["action_mask"]
            seen["action_mask"] = never_empty(mask).reshape(-1)
        return seen

    def begin(self, key):
        world, step = self.native.reset(key)
        return self._seen(step.observation), world

    def advance(self, key, world, action):
        world, step = self.native.step(world, self._native_action(action))
        terminated = step.last() & (step.discount == 0)
        return self._seen(step.observation), world, step.reward, terminated, {}

    def scene(self, params: Any, state: Any) -> Scene:
        """The figure that Jumanji's viewer draws."""
        viewers = (x for x in vars(self.native).values() if isinstance(x, Viewer))
        if (viewer := next(viewers, None)) is None:
            return plain_scene(self, params, state)
        viewer = copy.copy(viewer)  # which draws into an array, not into a window
        viewer._display = viewer._display_rgb_array  # pyright: ignore[reportAttributeAccessIssue]
        pixels = viewer.render(jax.tree.map(jnp.asarray, state.world))
        return Scene(self.name, (picture("drawn by Jumanji", pixels),))


def _fields(record: Any) -> list[tuple[str, Any]]:
    """The names and values of a named tuple, a dataclass or a spec of several parts."""
    if hasattr(record, "_asdict"):
        return list(record._asdict().items())
    if dataclasses.is_dataclass(record):
        return [(field.name, getattr(record, field.name)) for field in dataclasses.fields(record)]
    return list(getattr(record, "_specs", {}).items())


def _as_dict(observation: Any) -> PyTree:
    """Records as dictionaries, leaves as arrays of their own dtype."""
    parts = _fields(observation)
    return {name: _as_dict(part) for name, part in parts} if parts else jnp.asarray(observation)
