"""Action heads: from a network's outputs to a distribution over an action space."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore.nets.distributions import Categorical, Distribution, Joint, Normal, categorical, joint


class Head(NamedTuple):
    """The outputs, distribution and env action of an action space."""

    num_outputs: int  # of the policy network
    # (outputs, obs) -> distribution
    distribution: Callable[[Float[Array, "... outputs"], PyTree], Distribution]
    noise: Callable[
        [Key[Array, ""], tuple[int, ...]], Float[Array, "..."]
    ]  # (key, batch shape) -> the noise of `sample`
    env_action: Callable[[Array], Array]  # clips an action to the env's bounds
    continuous: bool


def head_for(space: Any) -> Head:
    """The head of a gymnax action space.

    Raises:
        ValueError: for any space but Discrete, MultiDiscrete and a float Box of rank 1.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        return discrete_head(int(space.n))
    if kind == "MultiDiscrete":
        return joint_head(tuple(space.nvec))
    if kind == "Box" and len(space.shape) == 1 and jnp.issubdtype(space.dtype, jnp.floating):
        return continuous_head(space.shape[0], space.low, space.high)
    raise ValueError(
        f"action space {space} is not supported; Discrete(n), one-dimensional Box spaces of floats"
        " and MultiDiscrete([n, ...]) of elsinore.envs.spaces are. Wrap the environment so that it"
        " takes one of those."
    )


def discrete_head(num_actions: int) -> Head:
    """A categorical over n actions, masked by the `action_mask` of a dict observation."""
    return Head(
        num_outputs=num_actions,
        distribution=lambda outputs, obs: categorical(outputs, action_mask(obs)),
        noise=lambda key, shape: Categorical.noise(key, shape, num_actions),
        env_action=lambda action: action,
        continuous=False,
    )


def joint_head(sizes: tuple[int, ...]) -> Head:
    """Independent choices with `sizes` options; `action_mask` concatenates their masks."""
    return Head(
        num_outputs=sum(sizes),
        distribution=lambda outputs, obs: joint(outputs, sizes, action_mask(obs)),
        noise=lambda key, shape: Joint.noise(key, shape, sizes),
        env_action=lambda action: action,
        continuous=False,
    )


def continuous_head(size: int, low: Any, high: Any) -> Head:
    """A normal of `size` dimensions; outputs are the means, then the log standard deviations."""
    low, high = np.broadcast_to(low, size), np.broadcast_to(high, size)
    return Head(
        num_outputs=2 * size,
        distribution=lambda outputs, obs: Normal(outputs[..., :size], outputs[..., size:]),
        noise=lambda key, shape: Normal.noise(key, shape, size),
        env_action=lambda action: jnp.clip(action, low, high),
        continuous=True,
    )


def finite_bounds(space: Any, algo: str) -> tuple[Float[np.ndarray, "action"], ...]:
    """Lowest and highest action of a Box of rank 1.

    Raises:
        ValueError: naming the algorithm `algo`, for any other space or an infinite bound.
    """
    kind = type(space).__name__
    if kind != "Box":
        others = "dqn, pqn, ppo or a2c" if kind == "Discrete" else "ppo or a2c"
        raise ValueError(
            f"algo={algo!r} learns continuous actions, and this environment's action space is"
            f" {kind}; use algo: {others}."
        )
    size = head_for(space).num_outputs // 2
    low, high = (np.broadcast_to(np.asarray(x, np.float32), size) for x in (space.low, space.high))
    with np.errstate(over="ignore"):
        bounded = np.isfinite(high - low).all()
    if not bounded:
        raise ValueError(
            f"algo={algo!r} scales its actions to their bounds, and this environment's are from"
            f" {low} to {high}; give its action space finite bounds, or use algo: ppo or a2c."
        )
    return low, high


def action_mask(obs: PyTree) -> Bool[Array, "... action"] | None:
    """The observation's `action_mask` [..., action]; None if it has none."""
    return (
        obs["action_mask"].astype(bool) if isinstance(obs, dict) and "action_mask" in obs else None
    )
