"""`Wrapper`: an environment around another, whose own numbers are traced fields of its params."""

import dataclasses
from functools import cache
from typing import Any

import numpy as np
from flax import struct
from gymnax.environments.environment import Environment
from jaxtyping import Array, PyTree

from elsinore.envs.suites import refuse_on_host

COMPILED = "wrappers are compiled; give a function that puts gymnasium's wrappers around it"


@struct.dataclass
class WrapperState:
    """The state of the environment inside, and what a wrapper remembers beside it."""

    env_state: PyTree
    own: PyTree


class Wrapper(Environment):
    """An environment around `env` that passes everything on; a wrapper overrides a part.

    Its own numbers are further fields of the env params, so `env_params`, curricula and populations
    change them without compiling again. `entry` is the wrapper as a config writes it.
    """

    is_wrapper = True
    entry: Any = None

    def __init__(self, env: Any, **own_params: Any):
        refuse_on_host(env, COMPILED)
        largest = float(np.finfo(np.float32).max)
        numbers = [abs(x) for x in own_params.values() if isinstance(x, float)]
        if any(largest < number < np.inf for number in numbers):
            raise ValueError(f"must be from {-largest:.3g} to {largest:.3g}, as float32 is.")
        self.env, self._own_params = env, own_params

    def __getattr__(self, name: str) -> Any:
        # copying asks before there is an `env`; `with_rival` would make one without the wrappers
        if name.startswith("__") or name in ("env", "with_rival"):
            raise AttributeError(name)
        return getattr(self.env, name)

    @property
    def name(self) -> str:
        return self.env.name

    @property
    def num_actions(self) -> int:
        return self.env.num_actions

    @property
    def default_params(self) -> PyTree:
        return with_fields(self.env.default_params, self._own_params)

    def check_params(self, params: PyTree) -> None:
        """Refuse numbers that cannot be run with; a wrapper with such numbers adds its own check.

        Raises:
            ValueError: beginning with the parameter's name.
        """
        getattr(self.env, "check_params", lambda params: None)(params)

    def bare(self, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        """(state, params) as the environment inside has them."""
        return state, params

    def reset_env(self, key: Array, params: PyTree) -> tuple[PyTree, PyTree]:
        return self.env.reset_env(key, params)

    def step_env(self, key: Array, state: PyTree, action: Any, params: PyTree) -> tuple:
        inside, params = self.bare(state, params)
        return self.env.step_env(key, inside, action, params)

    def is_truncated(self, state: PyTree, params: PyTree) -> Any:
        return self.env.is_truncated(*self.bare(state, params))

    def action_space(self, params: PyTree) -> Any:
        return self.env.action_space(params)

    def observation_space(self, params: PyTree) -> Any:
        return self.env.observation_space(params)


class RememberingWrapper(Wrapper):
    """A wrapper whose state is a `WrapperState`."""

    def bare(self, state: PyTree, params: PyTree) -> tuple[PyTree, PyTree]:
        return state.env_state, params


def with_fields(params: PyTree, values: dict[str, Any]) -> PyTree:
    """The params with these values; fields that they lack are added by a subclass of their type."""
    known = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    new = tuple(name for name in values if name not in known)
    return (_with_new_fields(type(params), new) if new else type(params))(**known | values)


@cache
def _with_new_fields(base: type, names: tuple[str, ...]) -> type:
    fields = {"__annotations__": dict.fromkeys(names, Any), "__module__": base.__module__}
    return struct.dataclass(type(base.__name__, (base,), fields), kw_only=True)
