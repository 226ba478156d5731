"""Orthogonal weights for a whole network at once.

Compiling a draw and a QR decomposition for each matrix takes 0.15 s a matrix, 1 s for a policy and
its critic. So a layer only leaves a placeholder, and `initialise` fills all of them with one draw
and one decomposition.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from flax.core import meta
from jaxtyping import Array, Float, Key, PyTree

from elsinore.jaxtools.prng import draw, for_use

MAX_NUMBERS = 2**28  # 1 GiB, in one draw


@struct.dataclass
class OrthogonalPlaceholder(meta.AxisMetadata):
    """A parameter that `initialise` replaces by an orthogonal matrix of gain `scale`."""

    value: Any  # zeros of the matrix's shape, or their ShapeDtypeStruct
    scale: float = struct.field(pytree_node=False)

    def unbox(self) -> Any:
        return self.value

    def replace_boxed(self, val: Any) -> "OrthogonalPlaceholder":
        return OrthogonalPlaceholder(val, self.scale)

    def add_axis(self, index: int, params: dict) -> "OrthogonalPlaceholder":
        return self

    def remove_axis(self, index: int, params: dict) -> "OrthogonalPlaceholder":
        return self


def orthogonal(scale: float) -> Callable[..., Any]:
    """A `kernel_init` that leaves a placeholder for `initialise`."""
    return lambda key, shape, dtype=jnp.float32: OrthogonalPlaceholder(
        jnp.zeros(shape, dtype), scale
    )


def initialise(net: Any, key: Key[Array, ""], *inputs: PyTree) -> PyTree:
    """`net.init(key, *inputs)`, with all orthogonal matrices made together."""
    params = net.init(key, *inputs)
    leaves, tree = jax.tree.flatten(params, is_leaf=_is_placeholder)
    places = [i for i, leaf in enumerate(leaves) if _is_placeholder(leaf)]
    if places:
        made = orthogonal_matrices(
            for_use(key, "orthogonal"), [leaves[i].value.shape for i in places]
        )
        for i, matrix in zip(places, made, strict=True):
            leaves[i] = (leaves[i].scale * matrix).astype(leaves[i].value.dtype)
    return jax.tree.unflatten(tree, leaves)


def _is_placeholder(leaf: Any) -> bool:
    return isinstance(leaf, OrthogonalPlaceholder)


def orthogonal_matrices(
    key: Key[Array, ""], shapes: list[tuple[int, ...]]
) -> list[Float[Array, "..."]]:
    """A random matrix of each shape with orthonormal rows or columns, whichever are fewer (Saxe
    2013, 1312.6120).

    The last axis is the columns, all others the rows. All are decomposed as corners of matrices of
    one size,

        [A 0]        [Q 0]
        [0 I]   whose QR decomposition is   [0 I] [R 0; 0 I]

    so that one loop decomposes all, and the corner of Q is that of A alone.
    """
    sizes = [(int(np.prod(shape[:-1])), shape[-1]) for shape in shapes]
    tall = [(max(size), min(size)) for size in sizes]
    columns = max(n for _, n in tall)
    rows = max(m + columns - n for m, n in tall)
    if (numbers := len(shapes) * rows * columns) > MAX_NUMBERS:
        largest = " x ".join(map(str, max(sizes, key=lambda size: size[0] * size[1])))
        raise ValueError(
            f"algo.network is too large: its {len(sizes)} weight matrices, of which the largest is"
            f" {largest}, would be initialised as {numbers:,} numbers at once, and at most"
            f" {MAX_NUMBERS:,} can be; lower its sizes (hidden, channels, gru)."
        )
    normal = draw(jax.random.normal, key, (len(shapes), rows, columns))
    row, column = np.arange(rows)[:, None], np.arange(columns)
    corner = np.array([(row < m) & (column < n) for m, n in tall])
    identity = np.array([(column >= n) & (row - m == column - n) for m, n in tall])

    def decompose(matrix: Float[Array, "row column"]) -> Float[Array, "row column"]:
        q, r = jnp.linalg.qr(matrix)
        # without it Q would not be uniform (Mezzadri 2006, math-ph/0609050)
        return q * jnp.sign(jnp.diagonal(r))

    q = jax.lax.map(decompose, jnp.where(corner, normal, identity.astype(jnp.float32)))
    parts = [q[i, :m, :n] for i, (m, n) in enumerate(tall)]
    return [
        (part if size[0] >= size[1] else part.T).reshape(shape)
        for part, size, shape in zip(parts, sizes, shapes, strict=True)
    ]
