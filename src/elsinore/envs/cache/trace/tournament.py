"""The smallest of many ranks, kept as ranks change: a tree in which every node knows the winner below it.

A rank is a pair of integers (`first`, `second`), compared in that order. Changing one costs log2 of the number of
leaves, and asking for the winner costs nothing.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.envs.cache.trace.cells import Layout, Writes, together

NEVER = np.iinfo(np.int64).max  # the `first` of who does not compete


def leaves_for(num: int) -> int:
    """The power of two that holds `num` competitors."""
    return 1 << max(1, (num - 1).bit_length())


def empty_tournament(leaves: int) -> dict[str, np.ndarray]:
    """Its three fields when nobody competes."""
    winner = np.arange(2 * leaves) - leaves
    for node in range(leaves - 1, 0, -1):
        winner[node] = winner[2 * node]
    return {"first": np.full(leaves, NEVER), "winner": winner}


def winner(layout: Layout, cells: Int[Array, "cells"]) -> Int[Array, ""]:
    """Who has the smallest rank."""
    return layout.read(cells, "winner", 1)


def rerank(
    layout: Layout,
    cells: Int[Array, "cells"],
    leaves: int,
    who: Int[Array, ""],
    first: Int[Array, ""],
    second: Int[Array, ""],
    when: Bool[Array, ""],
) -> Writes:
    """Give `who` a new rank, and every game it plays on the way up a new winner."""
    depth = leaves.bit_length() - 1
    path = (who + leaves) >> jnp.arange(depth)
    rivals = layout.read(cells, "winner", path ^ 1)
    rival_first, rival_second = (layout.read(cells, field, rivals) for field in ("first", "second"))
    winners, best = [], (first, second, who)
    for level in range(depth):
        rival = (rival_first[level], rival_second[level], rivals[level])
        wins = (rival[0] < best[0]) | ((rival[0] == best[0]) & (rival[1] < best[1]))
        best = tuple(jnp.where(wins, theirs, ours) for theirs, ours in zip(rival, best, strict=True))
        winners.append(best[2])
    return together(
        layout.write("first", who, first, when),
        layout.write("second", who, second, when),
        layout.write("winner", path >> 1, jnp.stack(winners), when),
    )
