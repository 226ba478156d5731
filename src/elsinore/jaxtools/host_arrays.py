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

AT_ONCE = 64 * 2**20  # bytes that each device holds for arrays that are brought to the host


def to_host(tree: PyTree) -> PyTree:
    """The leaves as numpy arrays, keys as their data. All processes must call it for arrays that
    are spread over them."""
    leaves, structure = jax.tree.flatten(tree)
    spread = [i for i, x in enumerate(leaves) if not getattr(x, "is_fully_addressable", True)]
    whole = dict(zip(spread, brought([leaves[i] for i in spread]), strict=True))
    found = [whole[i] if i in whole else _data(x) for i, x in enumerate(leaves)]
    return jax.tree.unflatten(structure, found)


def brought(arrays: list[jax.Array]) -> list[np.ndarray]:
    """Arrays of a mesh as numpy arrays, whole in each of its processes. For that each device has to
    hold them: `AT_ONCE` bytes at a time, and a large array in pieces."""
    batches: list[list[jax.Array]] = []
    size = 0
    for x in arrays:
        if not batches or size + x.nbytes > AT_ONCE:
            batches.append([])
            size = 0
        batches[-1].append(x)
        size += x.nbytes
    return [whole for batch in batches for whole in _brought(batch)]


def _brought(arrays: list[jax.Array]) -> list[np.ndarray]:
    """Those of one batch."""
    x, where = arrays[0], arrays[0].sharding
    assert isinstance(where, NamedSharding), "the arrays of a layout have its mesh"
    everywhere, spec = NamedSharding(where.mesh, P()), (*where.spec, *[None] * x.ndim)
    undivided = [axis for axis in range(x.ndim) if spec[axis] is None]
    if x.nbytes <= AT_ONCE or not undivided:
        return [_data(x) for x in _replicated(everywhere)(arrays)]
    axis = max(undivided, key=lambda axis: x.shape[axis])
    length = x.shape[axis]
    size = max(AT_ONCE * length // x.nbytes, 1)
    found = np.empty(x.shape, x.dtype)
    for start in range(0, length, size):
        start = min(start, length - size)  # the last piece is as long as the others
        piece = _piece(where, axis, size)(x, np.int32(start))
        found[(slice(None),) * axis + (slice(start, start + size),)] = piece
    return [found]


@cache
def _replicated(everywhere: Sharding) -> Callable[[PyTree], PyTree]:
    return jax.jit(lambda tree: tree, out_shardings=everywhere)


@cache
def _piece(where: NamedSharding, axis: int, size: int) -> Callable:
    """`size` places of an undivided axis, cut on each device before any is sent."""

    def cut(x: jax.Array, start: Any) -> jax.Array:
        piece = jax.lax.dynamic_slice_in_dim(x, start, size, axis)
        return jax.lax.with_sharding_constraint(piece, where)

    return jax.jit(cut, out_shardings=NamedSharding(where.mesh, P()))


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
