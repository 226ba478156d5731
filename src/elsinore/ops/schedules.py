"""Schedules of hyperparameters."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Scalar = float | Float[Array, ""]


def linear(start: Scalar, end: Scalar, progress: Scalar) -> Float[Array, ""]:
    """Linear from `start` at progress 0 to `end` at progress 1, constant after it."""
    return start + (end - start) * jnp.clip(progress, 0.0, 1.0)


def exponential(
    start: Scalar, end: Scalar, decay: Scalar, count: Int[Array, ""] | int
) -> Float[Array, ""]:
    """Exponential decay: `start` x `decay`^`count`, at least `end`."""
    return jnp.maximum(start * jnp.asarray(decay) ** count, end)


def anneal(hyper: Any, progress: Scalar, *names: str) -> Any:
    """The record `hyper` with each named field moved linearly towards its field `<name>_final`."""
    moved = {
        name: linear(getattr(hyper, name), getattr(hyper, f"{name}_final"), progress)
        for name in names
    }
    return hyper._replace(**moved)
