"""Suffix sums of changing weights: a binary indexed tree (Fenwick 1994).

An update or a query costs log2 of the number of places.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.cells import CellLayout, CellWrites


def fenwick_size(places: int) -> int:
    """Cells for the places 0 .. places - 1."""
    return places + 1


def sum_beyond(
    layout: CellLayout, cells: Int[Array, "cells"], places: int, place: Int[Array, ""]
) -> Int[Array, ""]:
    """Sum of the weights at places greater than `place`."""
    node = places - 1 - place  # the tree counts from the last place down
    nodes = []
    for _ in range(places.bit_length()):
        nodes.append(node)
        node = node & (node - 1)
    return jnp.sum(layout.read(cells, "sums", jnp.maximum(jnp.stack(nodes), 0)))


def add_weight(
    layout: CellLayout,
    cells: Int[Array, "cells"],
    places: int,
    place: Int[Array, ""],
    weight: Int[Array, ""],
    when: Bool[Array, ""],
) -> CellWrites:
    node, nodes = places - place, []
    for _ in range(places.bit_length()):
        nodes.append(node)
        node = node + (node & -node)
    nodes = jnp.stack(nodes)
    inside = nodes <= places
    nodes = jnp.where(inside, nodes, 0)
    return layout.write("sums", nodes, layout.read(cells, "sums", nodes) + weight, when & inside)
