"""The return of each action as DQN learns it: its mean, or its distribution by probabilities of
atoms (C51), by quantiles (QR-DQN), or by quantiles at random fractions (IQN).

Each is the lines in which it differs from the mean: how many numbers the network gives for each
action, their mean, the target, and the error of a transition. Actions are chosen by the mean.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from elsinore.ops.advantages import bellman
from elsinore.ops.losses import td_error_loss
from elsinore.ops.return_distributions import (
    categorical_divergence,
    mass_beyond,
    midpoints,
    project,
    quantile_huber,
)

Numbers = Float[Array, "batch"] | Float[Array, "batch number"]  # of one action's return
Reward = Float[Array, "batch"]


@dataclass(frozen=True)
class ExpectedReturn:
    """The mean, Q(s, a): DQN as it was published."""

    kind: str = "mse"  # of `td_error_loss`
    per_action: int = 1  # outputs of the network
    implicit: bool = False  # True: the network takes fractions beside the observation

    def fractions(self, key: Key[Array, ""] | None, batch: int) -> Any:
        """Fractions of quantiles; with a key those to learn from, without one those to act by."""
        return ()

    def inputs(self, obs: PyTree, fractions: Any) -> PyTree:
        """The input of the network."""
        return obs

    def by_action(
        self, outputs: Float[Array, "batch outputs"]
    ) -> Float[Array, "batch action"] | Float[Array, "batch action number"]:
        """Outputs of the network, with the numbers of an action on the last axis."""
        return outputs

    def mean(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """The expected return."""
        return z

    def target(
        self, reward: Reward, discount: Reward, next_z: Numbers
    ) -> tuple[Numbers, dict[str, Float[Array, ""]]]:
        """The target of a transition, and metrics of it."""
        return bellman(reward, discount, next_z), {}

    def error(self, z: Numbers, target: Numbers, fractions: Any) -> Float[Array, "batch"]:
        """The error of each transition, which is its priority in a prioritised replay."""
        return z - target

    def loss(self, error: Float[Array, "batch"], weight: Float[Array, "batch"]) -> Float[Array, ""]:
        return td_error_loss(error, weight, self.kind)


class _Distribution(ExpectedReturn):
    """Several numbers for each action; the error of a transition is its loss."""

    def by_action(self, outputs: Float[Array, "batch outputs"]) -> Float[Array, "batch action n"]:
        return outputs.reshape(len(outputs), -1, self.per_action)

    def loss(self, error: Float[Array, "batch"], weight: Float[Array, "batch"]) -> Float[Array, ""]:
        return jnp.mean(weight * error)


@dataclass(frozen=True)
class CategoricalReturn(_Distribution):
    """Logits of evenly spaced atoms: C51 (Bellemare 2017, arXiv:1707.06887 algorithm 1)."""

    per_action: int = 51
    v_min: float = -10.0
    v_max: float = 10.0

    @property
    def atoms(self) -> Float[Array, "atom"]:
        return jnp.linspace(self.v_min, self.v_max, self.per_action)

    def mean(self, z: Float[Array, "*batch atom"]) -> Float[Array, "*batch"]:
        return jnp.sum(jax.nn.softmax(z) * self.atoms, axis=-1)

    def target(
        self, reward: Reward, discount: Reward, next_z: Numbers
    ) -> tuple[Numbers, dict[str, Float[Array, ""]]]:
        value = bellman(reward, discount, jnp.broadcast_to(self.atoms, next_z.shape))
        mass = jax.nn.softmax(next_z)
        beyond = {"value/beyond_support": mass_beyond(value, mass, self.atoms)}
        return project(value, mass, self.atoms), beyond

    def error(self, z: Numbers, target: Numbers, fractions: Any) -> Float[Array, "batch"]:
        return categorical_divergence(z, target)


@dataclass(frozen=True)
class QuantileReturn(_Distribution):
    """Quantiles at fixed fractions: QR-DQN (Dabney 2018, arXiv:1710.10044 algorithm 1)."""

    per_action: int = 25

    def fractions(self, key: Key[Array, ""] | None, batch: int) -> Float[Array, "batch quantile"]:
        return jnp.broadcast_to(midpoints(self.per_action), (batch, self.per_action))

    def mean(self, z: Float[Array, "*batch quantile"]) -> Float[Array, "*batch"]:
        return jnp.mean(z, axis=-1)

    def error(self, z: Numbers, target: Numbers, fractions: Any) -> Float[Array, "batch"]:
        return quantile_huber(z, fractions, target)


@dataclass(frozen=True)
class ImplicitReturn(QuantileReturn):
    """Quantiles at fractions that are drawn for each loss: IQN (Dabney 2018, arXiv:1806.06923)."""

    implicit: bool = True

    def fractions(self, key: Key[Array, ""] | None, batch: int) -> Float[Array, "batch quantile"]:
        even = super().fractions(key, batch)
        return even if key is None else jax.random.uniform(key, even.shape)

    def inputs(self, obs: PyTree, fractions: Any) -> PyTree:
        return obs, fractions


DISTRIBUTIONS: dict[str, Callable[[Any], ExpectedReturn]] = {
    "none": lambda config: ExpectedReturn(config.loss),
    "c51": lambda config: CategoricalReturn(
        per_action=config.atoms, v_min=config.v_min, v_max=config.v_max
    ),
    "qr": lambda config: QuantileReturn(per_action=config.quantiles),
    "iqn": lambda config: ImplicitReturn(per_action=config.quantiles),
}


def return_distribution(config: Any) -> ExpectedReturn:
    """The one that `config.distribution` names."""
    return DISTRIBUTIONS[config.distribution](config)


def _apart(config: Any) -> bool:
    """True if the atoms differ by more than float32 rounds them."""
    size = max(abs(config.v_min), abs(config.v_max))
    spacing = (config.v_max - config.v_min) / (config.atoms - 1)
    return spacing > max(1e-6 * size, 1e-37)


def check_returns(config: Any) -> None:
    """Check that the settings of returns fit each other.

    Raises:
        ValueError: naming the setting, its value and a remedy.
    """
    if not -math.inf < config.v_min < config.v_max < math.inf:
        raise ValueError(
            f"v_min={config.v_min} must be below v_max={config.v_max}, and both finite; choose the"
            " least and the greatest discounted return."
        )
    if config.distribution == "c51" and not _apart(config):
        raise ValueError(
            f"v_min={config.v_min} and v_max={config.v_max} are too close for atoms={config.atoms}:"
            " float32 cannot hold that many numbers between them; move them apart, or lower atoms."
        )
    if config.distribution != "none" and config.loss != "mse":
        raise ValueError(
            f"loss={config.loss!r} applies to TD errors only, and"
            f" distribution={config.distribution!r} has a loss of its own; leave loss out, or use"
            " distribution: none."
        )
    if not config.munchausen_clip <= 0.0:
        raise ValueError(
            f"munchausen_clip={config.munchausen_clip} must be at most 0, as log-probabilities are."
        )
    if not config.munchausen:
        return
    reasons = {
        "distribution": (config.distribution == "c51", "none, qr or iqn"),
        "n_step": (config.n_step > 1, "1: later rewards would lack their term"),
        "double": (config.double, "false: its target has no best action"),
    }
    for name, (clashes, remedy) in reasons.items():
        if clashes:
            raise ValueError(
                f"munchausen=True does not go with {name}={getattr(config, name)!r}; use {name}:"
                f" {remedy}."
            )
