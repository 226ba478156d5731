"""`SuiteEnv`: the parts that the adapters of all libraries share.

An adapter takes a library's bare environment, without its wrappers, and keeps the time limit
outside of it: `max_steps_in_episode`, a traced number, ends an episode by truncation, with the true
final observation. `terminated` is only what the library ends with a discount of 0.
"""

from abc import ABC, abstractmethod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import spaces
from gymnax.environments.environment import Environment, EnvParams, EnvState
from jaxtyping import Array, Bool, Key, PyTree, Shaped, UInt32

from elsinore.envs.object_names import OBJECT

FOREVER = 2**30  # steps: the limit given to a library that would end an episode as if by death


@struct.dataclass
class SuiteParams(EnvParams):
    max_steps_in_episode: int = 1000


@struct.dataclass
class SuiteState(EnvState):  # inherits `time`
    world: PyTree = None  # the library's own state


class SuiteEnv(Environment, ABC):
    """An environment of another library as a gymnax `Environment`.

    A subclass has `ids`, `make`, `of`, `begin`, `advance` and `action_space`.

    Args:
        native: the library's bare environment.
        name: `<suite>/<id>`, or that of `named` for an object given by the user.
        limit: the default of `max_steps_in_episode`.
    """

    def __init__(self, native: Any, name: str, limit: int):
        self.native, self._name, self.limit = native, name, int(limit)
        # Traced once, though training and evaluation both step it; and the library gets a copy of
        # each dictionary, since Brax writes into those that it is given.
        self._begin, self._advance = jax.jit(self.begin), jax.jit(self.advance)

    @staticmethod
    @abstractmethod
    def ids() -> tuple[str, ...]:
        """The ids that the library makes, offline."""

    @classmethod
    @abstractmethod
    def make(cls, env_id: str, **kwargs: Any) -> "SuiteEnv":
        """The environment of that id; `kwargs` go to the library's constructor."""

    @classmethod
    @abstractmethod
    def of(cls, native: Any) -> "SuiteEnv":
        """The adapter of an object made by the library."""

    @abstractmethod
    def begin(self, key: UInt32[Array, "2"]) -> tuple[PyTree, PyTree]:
        """(obs, world) of a fresh episode."""

    @abstractmethod
    def advance(
        self, key: UInt32[Array, "2"], world: PyTree, action: Array
    ) -> tuple[PyTree, PyTree, Array, Array, dict[str, Any]]:
        """(obs, world, reward, terminated, info) after one step."""

    @staticmethod
    def named(suite: str, native: Any) -> str:
        """The name of an object given by the user, from which it cannot be made again."""
        return f"{suite}/{type(native).__name__}{OBJECT}"

    @property
    def name(self) -> str:
        return self._name

    @property
    def default_params(self) -> SuiteParams:
        return SuiteParams(max_steps_in_episode=self.limit)

    def observation_space(self, params: PyTree) -> spaces.Space:
        """The space of what `reset_env` observes, in the library's dtypes."""
        begun = jax.eval_shape(self.reset_env, jax.random.key(0), self.default_params)
        return space_like(begun[0])

    def reset_env(self, key: Key[Array, ""], params: PyTree) -> tuple[PyTree, SuiteState]:
        # a plain array, because libraries keep their key in a state, which replays store
        obs, world = self._begin(jax.random.key_data(key))
        return obs, SuiteState(time=jnp.int32(0), world=world)

    def step_env(
        self, key: Key[Array, ""], state: SuiteState, action: Array, params: PyTree
    ) -> tuple[PyTree, SuiteState, Array, Array, dict[str, Any]]:
        obs, world, reward, terminated, info = self._advance(
            jax.random.key_data(key), state.world, action
        )
        state = SuiteState(time=state.time + 1, world=world)
        return obs, state, jnp.float32(reward), jnp.bool_(terminated), info

    def is_truncated(self, state: SuiteState, params: PyTree) -> Bool[Array, ""]:
        return state.time >= params.max_steps_in_episode


def space_like(obs: PyTree) -> spaces.Space:
    """The space of observations of these shapes and dtypes; bounded where the dtype is."""
    if isinstance(obs, dict):
        return spaces.Dict({name: space_like(part) for name, part in obs.items()})
    low, high = -np.inf, np.inf
    if obs.dtype == bool:
        low, high = 0, 1
    elif jnp.issubdtype(obs.dtype, jnp.integer):
        low, high = int(jnp.iinfo(obs.dtype).min), int(jnp.iinfo(obs.dtype).max)
    return spaces.Box(low, high, obs.shape, obs.dtype)


def never_empty(mask: Shaped[Array, "*choice option"]) -> Bool[Array, "*choice option"]:
    """A mask of legal options in which a choice without any, as in a last state, has all."""
    mask = jnp.asarray(mask, bool)
    return mask | ~mask.any(axis=-1, keepdims=True)
