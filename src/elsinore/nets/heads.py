"""Action heads: from a network's outputs to a distribution over an action space."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, PyTree

from elsinore.jaxtools.prng import split
from elsinore.nets.centralised import read_by_actor
from elsinore.nets.distributions import (
    Beta,
    Categorical,
    Distribution,
    Joint,
    Normal,
    StateNoise,
    TanhNormal,
    categorical,
    joint,
)
from elsinore.ops.continuous_q import scaled_action


class Head(NamedTuple):
    """The outputs, distribution and env action of an action space."""

    num_outputs: int  # of the policy network
    # (outputs, obs) -> distribution
    distribution: Callable[[Float[Array, "... outputs"], PyTree], Distribution]
    noise: Callable[
        [Key[Array, ""], tuple[int, ...]], Float[Array, "..."]
    ]  # (key, batch shape) -> the noise of `sample`
    env_action: Callable[[Array], Array]  # clips an action to the env's bounds
    continuous: bool  # the network has a log standard deviation that no state changes
    features: int = 0  # of the network, that the noise of `StateNoise` is a function of


CONTINUOUS_KINDS = ("normal", "squashed", "beta", "gsde")


def check_space(space: Any) -> None:
    """Check that an action space has actions.

    Raises:
        ValueError: for a Discrete or Box of size 0, or a Box with a lower bound above the upper.
    """
    kind = type(space).__name__
    if (kind == "Discrete" and space.n < 1) or (kind == "Box" and 0 in space.shape):
        raise ValueError(
            f"this environment's action space {space} has no actions; give it at least one."
        )
    if kind == "Box" and not np.all(np.asarray(space.low) <= np.asarray(space.high)):
        raise ValueError(
            f"this environment's action space {space} has a lower bound that is above the upper"
            " one, or NaN; exchange them."
        )


def check_mask(obs: PyTree, space: Any) -> None:
    """Check that an `action_mask` in an observation has one flag for each discrete action.

    Raises:
        ValueError: for a mask of another shape than `mask_shape`.
    """
    if not isinstance(obs, Mapping) or "action_mask" not in obs or not choices(space):
        return
    shape, wanted = np.shape(obs["action_mask"]), mask_shape(space)
    if shape != wanted:
        one_after_another = (
            ", choice after choice without padding" if len(choices(space)) > 1 else ""
        )
        raise ValueError(
            f"this environment's observation has an action_mask of shape {shape}, and its action"
            f" space is {space}; give it shape {wanted}, a flag for each option{one_after_another}."
        )


def choices(space: Any) -> tuple[int, ...]:
    """The number of options of each choice of a Discrete or MultiDiscrete space; () for others."""
    return tuple(getattr(space, "nvec", (space.n,) if hasattr(space, "n") else ()))


def mask_shape(space: Any) -> tuple[int, ...]:
    """The shape of an action space's `action_mask`; () for a space without one."""
    return (sum(choices(space)),) if choices(space) else ()


def head_for(space: Any, kind: str = "normal", features: int = 0, noise_period: int = 1) -> Head:
    """The head of a gymnax action space; `kind` is the distribution of continuous actions.

    A "gsde" reads `features` of the network, and its noise is held for `noise_period` steps.

    Raises:
        ValueError: as `check_space`; for any space but Discrete, MultiDiscrete and a float Box of
            rank 1; for a `kind` other than "normal" of other spaces than a Box, or of a Box without
            the finite bounds that "squashed" and "beta" need.
    """
    check_space(space)
    name = type(space).__name__
    box = name == "Box" and len(space.shape) == 1 and jnp.issubdtype(space.dtype, jnp.floating)
    if kind != "normal" and not box:
        raise ValueError(
            f"algo.action_distribution={kind!r} applies to continuous actions only, and this"
            f" environment's action space is {name}; leave it out."
        )
    if name == "Discrete":
        return discrete_head(int(space.n))
    if name == "MultiDiscrete":
        return joint_head(tuple(space.nvec))
    if box and kind == "gsde":
        return state_noise_head(space, features, noise_period)
    if box and kind != "normal":
        return bounded_head(space, kind)
    if box:
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


def bounded_head(space: Any, kind: str) -> Head:
    """A distribution within the bounds of a Box, to which its actions are scaled: tanh of
    normals ("squashed"), whose outputs are means and log standard deviations, or a "beta", whose
    outputs are softplus^-1 of its two parameters less 1."""
    low, high, finite = _bounds(space)
    if not finite:
        raise ValueError(
            f"algo.action_distribution={kind!r} scales its actions to their bounds, and this"
            f" environment's are from {low} to {high}; use normal or gsde, or give its action space"
            " finite bounds."
        )
    size = len(low)
    if kind == "squashed":
        return Head(
            num_outputs=2 * size,
            distribution=lambda outputs, obs: TanhNormal(outputs[..., :size], outputs[..., size:]),
            noise=lambda key, shape: Normal.noise(key, shape, size),
            env_action=lambda action: scaled_action(jnp.tanh(action), low, high),
            continuous=True,
        )

    return Head(
        num_outputs=2 * size,
        distribution=lambda outputs, obs: beta_of(outputs),
        noise=split,
        env_action=lambda action: scaled_action(2.0 * action - 1.0, low, high),
        continuous=False,
    )


def state_noise_head(space: Any, features: int, noise_period: int) -> Head:
    """Normals with noise of the state (`StateNoise`), clipped to the bounds as `continuous_head`
    does; outputs are the means, then the spread of each feature's noise."""
    plain = continuous_head(space.shape[0], space.low, space.high)
    size = space.shape[0]

    def distribution(outputs: Float[Array, "... outputs"], obs: PyTree) -> StateNoise:
        return StateNoise(outputs[..., :size], spread_of(outputs, features, size))

    def noise(key: Key[Array, ""], shape: tuple[int, ...]) -> Key[Array, "..."]:
        return keys_held_for(key, shape, noise_period)

    return Head((1 + features) * size, distribution, noise, plain.env_action, False, features)


def beta_of(outputs: Float[Array, "... outputs"]) -> Beta:
    """The beta distributions of outputs that are softplus^-1 of their parameters less 1."""
    above, size = 1.0 + jax.nn.softplus(outputs), outputs.shape[-1] // 2
    return Beta(above[..., :size], above[..., size:])


def spread_of(
    outputs: Float[Array, "... outputs"], features: int, size: int
) -> Float[Array, "... features action"]:
    """The spread of `StateNoise`, which follows the means in a network's outputs."""
    return outputs[..., size:].reshape(*outputs.shape[:-1], features, size)


def keys_held_for(key: Key[Array, ""], shape: tuple[int, ...], period: int) -> Key[Array, "..."]:
    """Keys of the shape, each held for `period` steps of a rollout [time, env]."""
    if len(shape) < 2:
        return split(key, shape)
    keys = split(key, (-(-shape[0] // period), *shape[1:]))
    return keys[np.arange(shape[0]) // period]


def _bounds(
    space: Any,
) -> tuple[Float[np.ndarray, "action"], Float[np.ndarray, "action"], bool]:
    """Lowest and highest action of a Box of rank 1, and whether the range of each is finite."""
    size = space.shape[0]
    low, high = (np.broadcast_to(np.asarray(x, np.float32), size) for x in (space.low, space.high))
    with np.errstate(over="ignore"):
        return low, high, bool(np.isfinite(high - low).all())


def finite_bounds(space: Any, algo: str) -> tuple[Float[np.ndarray, "action"], ...]:
    """Lowest and highest action of a Box of rank 1.

    Raises:
        ValueError: naming the algorithm `algo`, for any other space or an infinite bound.
    """
    kind = type(space).__name__
    if kind != "Box":
        others = "sac_discrete, dqn, pqn, ppo or a2c" if kind == "Discrete" else "ppo or a2c"
        raise ValueError(
            f"algo={algo!r} learns continuous actions, and this environment's action space is"
            f" {kind}; use algo: {others}."
        )
    head_for(space)
    low, high, finite = _bounds(space)
    if not finite:
        raise ValueError(
            f"algo={algo!r} scales its actions to their bounds, and this environment's are from"
            f" {low} to {high}; give its action space finite bounds, or use algo: ppo or a2c."
        )
    return low, high


def discrete_actions(space: Any, algo: str, learns: str) -> int:
    """The number of actions of a Discrete space.

    Raises:
        ValueError: naming the algorithm `algo` and what it `learns`, for any other space.
    """
    kind = type(space).__name__
    if kind != "Discrete":
        others = "sac, td3, ppo or a2c" if kind == "Box" else "ppo or a2c"
        raise ValueError(
            f"algo={algo!r} learns {learns}, and this environment's action space is {kind}; use"
            f" algo: {others}."
        )
    check_space(space)
    return int(space.n)


def action_mask(obs: PyTree) -> Bool[Array, "... action"] | None:
    """The observation's `action_mask` [..., action]; None if it has none."""
    obs = read_by_actor(obs)
    return (
        obs["action_mask"].astype(bool) if isinstance(obs, dict) and "action_mask" in obs else None
    )
