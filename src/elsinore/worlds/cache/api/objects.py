"""Size, endpoint and work of objects, by number; arrays of numbers give arrays."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from elsinore.worlds.cache.api.tables import api_tables


def bytes_of(obj: Int[Array, "..."]) -> Int[Array, "..."]:
    return jnp.asarray(api_tables().object_size)[obj]


def endpoint_of(obj: Int[Array, "..."]) -> Int[Array, "..."]:
    return jnp.asarray(api_tables().object_endpoint)[obj]


def base_of(obj: Int[Array, "..."]) -> Float[Array, "..."]:
    """Seconds of backend work for an answer."""
    return jnp.asarray(api_tables().base)[endpoint_of(obj)]
