"""Minimum of changing ranks: a tree in which every node holds the winner below it.

A rank is a pair of integers (`first`, `second`), compared in that order. A change costs log2 of the
number of leaves, a query is constant.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.cells import CellLayout, CellWrites, merge_writes

NOT_RANKED = np.iinfo(np.int64).max  # `first` of an object that does not compete


def leaves_for(num: int) -> int:
    """Number of leaves: the power of two that holds `num` competitors."""
    return 1 << max(1, (num - 1).bit_length())


def empty_tournament(leaves: int) -> dict[str, np.ndarray]:
    """Its fields without competitors."""
    winner = np.arange(2 * leaves) - leaves
    for node in range(leaves - 1, 0, -1):
        winner[node] = winner[2 * node]
    return {"first": np.full(leaves, NOT_RANKED), "winner": winner}


def winner(layout: CellLayout, cells: Int[Array, "cells"]) -> Int[Array, ""]:
    """Leaf of the smallest rank."""
    return layout.read(cells, "winner", 1)


def rerank(
    layout: CellLayout,
    cells: Int[Array, "cells"],
    leaves: int,
    who: Int[Array, ""],
    first: Int[Array, ""],
    second: Int[Array, ""],
    when: Bool[Array, ""],
) -> CellWrites:
    """Give the leaf `who` a new rank, and every node above it a new winner."""
    depth = leaves.bit_length() - 1
    path = (who + leaves) >> jnp.arange(depth)
    rivals = layout.read(cells, "winner", path ^ 1)
    rival_first, rival_second = (layout.read(cells, field, rivals) for field in ("first", "second"))
    winners, best = [], (first, second, who)
    for level in range(depth):
        rival = (rival_first[level], rival_second[level], rivals[level])
        wins = (rival[0] < best[0]) | ((rival[0] == best[0]) & (rival[1] < best[1]))
        best = tuple(
            jnp.where(wins, theirs, ours) for theirs, ours in zip(rival, best, strict=True)
        )
        winners.append(best[2])
    return merge_writes(
        layout.write("first", who, first, when),
        layout.write("second", who, second, when),
        layout.write("winner", path >> 1, jnp.stack(winners), when),
    )
