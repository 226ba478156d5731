"""Arrays between host and devices, also those that no process holds whole."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, Sharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from elsinore.jaxtools import processes


def to_host(tree: PyTree) -> PyTree:
    """The leaves as numpy arrays, keys as their data. All processes must call it for arrays that
    are spread over them."""
    arrays = [x for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]
    for where in (x.sharding for x in arrays if not x.is_fully_addressable):
        assert isinstance(where, NamedSharding), "the arrays of a layout have its mesh"
        tree = _replicated(NamedSharding(where.mesh, P()))(tree)
        break
    return jax.tree.map(_data, tree)


@cache
def _replicated(everywhere: Sharding) -> Callable[[PyTree], PyTree]:
    return jax.jit(lambda tree: tree, out_shardings=everywhere)


def _data(x: Any) -> np.ndarray:
    is_key = jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return np.asarray(jax.random.key_data(x) if is_key else x)


def put(host: PyTree, shardings: Any) -> PyTree:
    """Numpy arrays placed by a sharding, or by one for each; each process places its part."""
    if isinstance(shardings, Sharding):
        shardings = jax.tree.map(lambda _: shardings, host)
    if not processes.joined():
        return jax.device_put(host, shardings)

    def part(x: np.ndarray, sharding: Sharding) -> jax.Array:
        return jax.make_array_from_callback(x.shape, sharding, lambda index: np.asarray(x[index]))

    return jax.tree.map(part, host, shardings)
