"""Rivals: the other player of a game of two, which is part of the environment.

An environment of two players has an attribute `rival`, a method `with_rival(rival)` that returns
the same game against another one, and the field `rival` in its parameters, with the numbers of its
rival. They are traced: training may change them without compiling again.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree

from elsinore.errors import ConfigError


class Rival(NamedTuple):
    """The other player: `act(key, params, obs) -> action`, with observations as the learner's."""

    act: Callable[[Key[Array, ""], PyTree, PyTree], Int[Array, ""]]
    params: PyTree = ()


@runtime_checkable
class TwoPlayerEnv(Protocol):
    """An environment whose `default_params` have a field `rival`, equal to `rival.params`."""

    rival: Rival

    def with_rival(self, rival: Any) -> "TwoPlayerEnv":
        """The same game against another rival."""
        ...


def at_random(key: Key[Array, ""], params: PyTree, obs: PyTree) -> Int[Array, ""]:
    """A legal move, each as likely."""
    return jax.random.categorical(key, jnp.where(obs["action_mask"], 0.0, -jnp.inf))


RANDOM = Rival(at_random)
NAMED: Mapping[str, Rival] = {"random": RANDOM}


def rival_of(
    rival: Any, named: Mapping[str, Rival] = NAMED, example: str = "pgx/tic_tac_toe"
) -> Rival:
    """The rival that a setting or an argument means: a name in `named`, a `Rival`, a policy with a
    method `as_rival`, or a function (key, obs) -> action.

    Raises:
        ConfigError: for anything else; `example` is an environment for its remedy.
    """
    if isinstance(rival, Rival):
        return rival
    if isinstance(rival, str) and rival in named:
        return named[rival]
    policy: Any = rival
    if callable(getattr(policy, "as_rival", None)):
        return Rival(*policy.as_rival())
    if callable(rival):
        return Rival(lambda key, params, obs: rival(key, obs))
    raise ConfigError(
        f"env_kwargs.rival={rival!r} is no rival; give {' or '.join(named)}, or in Python a"
        f" function (key, obs) -> action or a policy: elsinore.make({example!r}, {{'rival':"
        " run.policy()})."
    )
