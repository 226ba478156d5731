"""The spaces of an `Agent`, as plain data for its file, and as its learner reads and writes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import PyTree

from elsinore.envs.host_spaces import Space, action_space_of, observation_space_of
from elsinore.errors import ConfigError

OBSERVATIONS = ("Box", "Discrete", "MultiDiscrete", "MultiBinary", "Dict")
ACTIONS = ("Box", "Discrete", "MultiDiscrete", "MultiBinary")


class SpacesOnly(Environment):
    """An environment that has spaces, and is stepped elsewhere; its own steps are of zeros."""

    def __init__(self, observation: Space, action: Space):
        self._observation, self._action = observation, action

    @property
    def default_params(self) -> EnvParams:
        return EnvParams()

    def observation_space(self, params: PyTree) -> Any:
        return self._observation.space

    def action_space(self, params: PyTree) -> Any:
        return self._action.space

    def reset_env(self, key: Any, params: PyTree) -> tuple[Any, EnvState]:
        return jax.tree.map(jnp.asarray, self._observation.zeros()), EnvState(time=jnp.int32(0))

    def step_env(self, key: Any, state: EnvState, action: Any, params: PyTree) -> tuple:
        obs, _ = self.reset_env(key, params)
        return obs, state, jnp.float32(0.0), jnp.bool_(False), {}


def space_settings(space: Any, kinds: tuple[str, ...], of: str) -> dict[str, Any]:
    """A space of Gymnasium, gymnax or elsinore as plain data; such data as it is.

    Raises:
        ConfigError: for a space that is none of `kinds`.
    """
    settings = space
    if isinstance(settings, dict) and settings.get("kind") in kinds:
        return settings
    kind = type(space).__name__
    floats = kind != "Box" or kinds is OBSERVATIONS or np.dtype(space.dtype).kind == "f"
    if kind not in kinds or not floats:
        raise ConfigError(
            f"{of}={space!r} cannot be used here; give one of"
            f" {', '.join(kinds)}{'; a Box must be of floats' if kinds is ACTIONS else ''}."
        )
    if kind == "Dict":
        parts = {name: space_settings(part, kinds, of) for name, part in space.spaces.items()}
        return {"kind": kind, "spaces": parts}
    if kind == "Box":
        low, high = (np.broadcast_to(x, space.shape).tolist() for x in (space.low, space.high))
        shape, dtype = list(space.shape), np.dtype(space.dtype).name
        return {"kind": kind, "low": low, "high": high, "shape": shape, "dtype": dtype}
    if kind == "MultiBinary":
        return {"kind": kind, "shape": np.atleast_1d(space.shape).tolist()}
    size = "n" if kind == "Discrete" else "nvec"
    number = np.asarray(getattr(space, size))
    start = np.broadcast_to(getattr(space, "start", 0), number.shape)
    return {"kind": kind, size: number.tolist(), "start": start.tolist()}


def observations(data: dict[str, Any]) -> Space:
    """The observations that `space_settings` describes."""
    return observation_space_of(_restored(data), "agent", exact=True)


def actions(data: dict[str, Any]) -> Space:
    """The actions that `space_settings` describes."""
    return action_space_of(_restored(data), "agent")


def _restored(data: dict[str, Any]) -> Any:
    """An object with the class name and the fields of the space."""
    fields = {name: value for name, value in data.items() if name != "kind"}
    if data["kind"] == "Dict":
        fields["spaces"] = {name: _restored(part) for name, part in data["spaces"].items()}
    if data["kind"] == "Box":
        bounds = {name: np.reshape(data[name], data["shape"]) for name in ("low", "high")}
        fields |= bounds | {"shape": tuple(data["shape"]), "dtype": np.dtype(data["dtype"])}
    return type(data["kind"], (), fields)()
