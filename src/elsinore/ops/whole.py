"""Division of whole numbers that are not negative: one operation, where `//` and `%` see to signs with ten."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int


def quotient(x: Int[Array, "*any"], n: int) -> Int[Array, "*any"]:
    """`x // n`, for x >= 0 and n > 0."""
    x = jnp.asarray(x)
    return jax.lax.div(x, jnp.full_like(x, n))


def remainder(x: Int[Array, "*any"], n: int) -> Int[Array, "*any"]:
    """`x % n`, for x >= 0 and n > 0."""
    x = jnp.asarray(x)
    return jax.lax.rem(x, jnp.full_like(x, n))
