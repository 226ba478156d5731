"""From what a network puts out to an action of a given space, and back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from elsinore.nets.distributions import Categorical, Joint, Normal, categorical, joint


class Head(NamedTuple):
    """How one kind of action space is spoken to."""

    num_outputs: int  # numbers a policy network must put out for it
    distribution: Callable[[Array, PyTree], Any]  # (outputs, obs) -> Categorical, Joint or Normal
    noise: Callable[..., Array]  # (key, shape) -> what `sample` needs
    sent: Callable[[Array], Array]  # the action as the env takes it
    continuous: bool


def head_for(space: Any) -> Head:
    """The head of a gymnax action space.

    Raises:
        ValueError: for a space that no head speaks (anything but Discrete, MultiDiscrete and a float Box of rank 1).
    """
    kind = type(space).__name__
    if kind == "Discrete":
        return discrete_head(int(space.n))
    if kind == "MultiDiscrete":
        return joint_head(tuple(space.nvec))
    if kind == "Box" and len(space.shape) == 1 and jnp.issubdtype(space.dtype, jnp.floating):
        return continuous_head(space.shape[0], space.low, space.high)
    raise ValueError(
        f"action space {space} is of a kind no policy here can act in; Discrete(n) and one-dimensional Box "
        "spaces of floats are supported, and MultiDiscrete([n, ...]) of elsinore.envs.spaces. Wrap the environment "
        "so that it takes one of those."
    )


def discrete_head(num_actions: int) -> Head:
    """Categorical over n actions; a dict observation's `action_mask` rules out the illegal ones."""
    return Head(
        num_outputs=num_actions,
        distribution=lambda outputs, obs: categorical(outputs, action_mask(obs)),
        noise=lambda key, shape: Categorical.noise(key, shape, num_actions),
        sent=lambda action: action,
        continuous=False,
    )


def joint_head(sizes: tuple[int, ...]) -> Head:
    """Several choices at once, with so many options each; the mask is those of all the choices in a row."""
    return Head(
        num_outputs=sum(sizes),
        distribution=lambda outputs, obs: joint(outputs, sizes, action_mask(obs)),
        noise=lambda key, shape: Joint.noise(key, shape, sizes),
        sent=lambda action: action,
        continuous=False,
    )


def continuous_head(size: int, low: Any, high: Any) -> Head:
    """Normal of `size` dimensions; outputs are the means, then the logs of the standard deviations."""
    low, high = np.broadcast_to(low, size), np.broadcast_to(high, size)
    return Head(
        num_outputs=2 * size,
        distribution=lambda outputs, obs: Normal(outputs[..., :size], outputs[..., size:]),
        noise=lambda key, shape: Normal.noise(key, shape, size),
        sent=lambda action: jnp.clip(action, low, high),
        continuous=True,
    )


def action_mask(obs: PyTree) -> Array | None:
    """The legal actions, where the observation tells them."""
    return obs["action_mask"].astype(bool) if isinstance(obs, dict) and "action_mask" in obs else None
