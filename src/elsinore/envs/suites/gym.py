"""Gymnasium (Towers 2024, arXiv:2407.17032): its environments by name, stepped on the host.

`TimeLimit` is left out, and its number is the default of `max_steps_in_episode`.
"""

from functools import partial
from typing import Any

import gymnasium

from elsinore.envs.host import HostEnv
from elsinore.envs.host_layers import refuse_own_statistics
from elsinore.envs.host_objects import (
    OneByOne,
    close,
    host_env_of,
    limit_given,
    spaces_of,
    takes_seed,
)
from elsinore.envs.object_names import OBJECT
from elsinore.errors import ConfigError

# Environments that import any other by its name, which would be code that no one has agreed to.
SHIMS = ("GymV21Environment", "GymV26Environment")


class Gym:
    """Environments of Gymnasium as a `HostEnv`."""

    @staticmethod
    def ids() -> tuple[str, ...]:
        """The registered ids, the newest versions and the older ones; a package that registers its
        own, such as ale_py, must have been imported."""
        return tuple(sorted(x for x in gymnasium.registry if not x.startswith(SHIMS)))

    @classmethod
    def make(cls, env_id: str, **kwargs: Any) -> HostEnv:
        """The environment of that id; `kwargs` go to `gymnasium.make`.

        Raises:
            ConfigError: for one that needs a package that is not installed, or whose spaces cannot
                be read.
        """
        own = gymnasium.spec(env_id).max_episode_steps
        limit = limit_given(kwargs.pop("max_episode_steps", None), own)
        make = partial(
            gymnasium.make, env_id, max_episode_steps=-1, disable_env_checker=True, **kwargs
        )
        name = f"gym/{env_id}"
        try:
            native = make()
        except gymnasium.error.Error as error:
            raise ConfigError(f"env={name!r} cannot be made: {error}") from error
        try:
            refuse_own_statistics(native, name)
            observation, action = spaces_of(native, name)
            seeded = takes_seed(native)
        finally:
            close(native)

        def rows(number: int) -> OneByOne:
            return OneByOne(make, number, observation, action)

        return HostEnv(name, observation, action, limit, rows, seeded)

    @classmethod
    def of(cls, native: Any) -> HostEnv:
        """The description of an environment object; of a vector environment made of functions,
        that of the environments in it.

        Raises:
            ConfigError: for a vector environment that cannot be made one by one.
        """
        if isinstance(native, gymnasium.vector.VectorEnv):
            # those that `make_vec` gives to a SyncVectorEnv are a generator, which is empty by now
            functions = list(getattr(native, "env_fns", ()))
            refuse_own_statistics(native, type(native).__name__)
            if not functions:
                raise ConfigError(
                    f"env={type(native).__name__} steps all its environments as one, so an episode"
                    " cannot begin where another ends; give the single environment, or a function"
                    " that makes one. algo.num_envs is their number."
                )
            return host_env_of(functions[0])
        spec = getattr(native, "spec", None)
        name = spec.id if spec is not None else type(native).__name__
        return host_env_of(native, f"gym/{name}{OBJECT}")
