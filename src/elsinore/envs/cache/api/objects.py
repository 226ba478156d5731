"""What is known of an object by its number; arrays of numbers give arrays."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.envs.cache.api.tables import tables


def size_of(obj: Int[Array, "..."]) -> Int[Array, "..."]:
    """Bytes."""
    return jnp.asarray(tables().object_size)[obj]


def endpoint_of(obj: Int[Array, "..."]) -> Int[Array, "..."]:
    return jnp.asarray(tables().object_endpoint)[obj]


def base_of(obj: Int[Array, "..."]) -> Float[Array, "..."]:
    """Seconds of backend work that an answer takes."""
    return jnp.asarray(tables().base)[endpoint_of(obj)]
