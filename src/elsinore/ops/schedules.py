"""Numbers that change as training goes on."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Scalar = float | Float[Array, ""]


def linear(start: Scalar, end: Scalar, progress: Scalar) -> Float[Array, ""]:
    """From `start` at progress 0 to `end` at 1, and there from then on."""
    return start + (end - start) * jnp.clip(progress, 0.0, 1.0)


def exponential(start: Scalar, end: Scalar, decay: Scalar, count: Int[Array, ""] | int) -> Float[Array, ""]:
    """`start`, times `decay` for each of `count`, but never beyond `end`."""
    return jnp.maximum(start * jnp.asarray(decay) ** count, end)
