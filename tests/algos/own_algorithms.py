"""Algorithms of someone else's: `sound` keeps the contract, and each of the others breaks it in one
way."""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np

from elsinore.types import Algorithm, PolicyFunctions


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Its instances have no name until they are given one."""

    num_envs: int = 2
    rollout_length: int = 3
    boldness: float = 0.5
    layers: tuple[int, ...] = (8,)
    weights: dict[str, float] = field(default_factory=dict)
    doubled: float = field(init=False)  # made from another: written nowhere

    def __post_init__(self):
        if self.boldness > 1:
            raise ValueError(f"boldness={self.boldness} is folly; keep to 1.")
        object.__setattr__(self, "doubled", 2 * self.boldness)


def made(steps_per_update: int) -> Algorithm:
    nothing: Any = None
    return Algorithm(nothing, nothing, PolicyFunctions(nothing), (), steps_per_update)


def sound(config: Settings, env, env_params, num_updates, network=None):
    return made(config.num_envs * config.rollout_length)


# Settings of every kind


@dataclass(frozen=True, kw_only=True)
class Named(Settings):
    name: str = "whatever it likes"


@dataclass(frozen=True)
class Slotted:
    num_envs: int = 2
    rollout_length: int = 3
    name: str = field(default="slotted", init=False)


@dataclass(frozen=True)
class Counted:
    """One step of however many envs that suit it."""

    squads: int = 3

    @property
    def steps_per_update(self):
        return 4 * self.squads


@dataclass(frozen=True)
class Unfinished:
    num_envs: int
    rollout_length: int = 3


@dataclass(frozen=True)
class Endless:
    num_envs: int = 2


@dataclass
class Changeable:
    num_envs: int = 2


@dataclass(frozen=True)
class OfAnotherKind(Counted):
    ghosts: set[int] = frozenset()  # type: ignore


@dataclass(frozen=True)
class WithAFunction(Counted):
    activation: Any = np.tanh


@dataclass(frozen=True)
class WithAnArray(Counted):
    weights: Any = field(default_factory=lambda: np.ones(2))


@dataclass(frozen=True)
class WithAList(Counted):
    layers: tuple[int, ...] = field(default_factory=lambda: [1, 2])  # type: ignore


@dataclass(frozen=True)
class Unreadable(Counted):
    ghosts: "NoSuchType" = 3  # type: ignore


def named(config: Named, env, env_params, num_updates, network=None):
    return sound(config, env, env_params, num_updates, network)


def slotted(config: Slotted, env, env_params, num_updates, network=None):
    return made(config.num_envs * config.rollout_length)


def counted(config: Counted, env, env_params, num_updates, network=None):
    return made(config.steps_per_update)


def unfinished(config: Unfinished, env, env_params, num_updates, network=None): ...


def endless(config: Endless, env, env_params, num_updates, network=None): ...


def changeable(config: Changeable, env, env_params, num_updates, network=None): ...


def of_another_kind(config: OfAnotherKind, env, env_params, num_updates, network=None): ...


def with_a_function(config: WithAFunction, env, env_params, num_updates, network=None): ...


def with_an_array(config: WithAnArray, env, env_params, num_updates, network=None): ...


def with_a_list(config: WithAList, env, env_params, num_updates, network=None): ...


def unreadable_settings(config: Unreadable, env, env_params, num_updates, network=None): ...


# Functions of every kind


def bare(config, env, env_params, num_updates, network=None): ...


def of_a_dict(config: dict, env, env_params, num_updates, network=None): ...


def of_an_instance(config: Settings(), env, env_params, num_updates, network=None): ...  # type: ignore


def perhaps(config: Settings | None, env, env_params, num_updates, network=None): ...


def unreadable(config: "NoSuchType", env, env_params, num_updates, network=None): ...  # type: ignore


def without_network(config: Settings, env, env_params, num_updates): ...


def of_nothing(): ...


partial = functools.partial(sound, network=None)
number = 3


def returns_nothing(config: Settings, env, env_params, num_updates, network=None): ...


def returns_functions(config: Settings, env, env_params, num_updates, network=None):
    return (lambda key: key), (lambda state: state)


def miscounts(config: Settings, env, env_params, num_updates, network=None):
    return made(jnp.int32(config.num_envs).item())


def refuses(config: Settings, env, env_params, num_updates, network=None):
    raise ValueError(
        f"boldness={config.boldness} is too little for {type(env).__name__}; give more."
    )
