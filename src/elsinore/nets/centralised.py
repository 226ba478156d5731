"""Observations of which the policy and the critic read different parts."""

from typing import Any, NamedTuple

from jaxtyping import PyTree

from elsinore.nets.network import Network


class SplitObs(NamedTuple):
    """An observation for an actor-critic network whose trunks read different inputs."""

    actor: PyTree  # for the policy
    critic: PyTree = None  # for the value; None: only the policy is asked, and the value is NaN


def read_by_trunks(obs: PyTree, trunks: int) -> tuple[PyTree, ...]:
    """The input of each trunk: the actor's, then the critic's."""
    return tuple(obs) if isinstance(obs, SplitObs) else (obs,) * trunks


def read_by_actor(obs: PyTree) -> PyTree:
    """The policy's part of an observation."""
    return obs.actor if isinstance(obs, SplitObs) else obs


def decentralised(net: Network, example: Any) -> Network:
    """A network with a critic of joint observations, for a policy that has its own only: a plain
    observation is read by the actor, and its value is NaN.

    `example(obs)` is a `SplitObs` with the shapes that `net` learns from, made of one observation.
    """

    def step(params: PyTree, carry: PyTree, obs: PyTree) -> tuple:
        return net.step(params, carry, obs if isinstance(obs, SplitObs) else SplitObs(obs))

    return net._replace(init=lambda key, obs: net.init(key, example(obs)), step=step)
