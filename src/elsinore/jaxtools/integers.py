"""Division of non-negative integers in one operation; `//` and `%` take ten, for the signs."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Integer


def quotient(x: Integer[ArrayLike, "*any"], n: int) -> Integer[Array, "*any"]:
    """`x // n`, for x >= 0 and n > 0."""
    x = jnp.asarray(x)
    return jax.lax.div(x, jnp.full_like(x, n))


def remainder(x: Integer[ArrayLike, "*any"], n: int) -> Integer[Array, "*any"]:
    """`x % n`, for x >= 0 and n > 0."""
    x = jnp.asarray(x)
    return jax.lax.rem(x, jnp.full_like(x, n))
