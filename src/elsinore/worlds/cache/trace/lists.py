"""Doubly linked lists in two fields of cells. Each list is a ring through its own sentinel node.

From the sentinel, `newer` leads to the oldest node and `older` to the newest. A node in no list has
`newer` = ABSENT.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.cells import CellLayout, CellWrites, merge_writes

ABSENT = -1


def empty_lists(num_nodes: int, num_lists: int) -> dict[str, np.ndarray]:
    """The two fields for `num_nodes` unlinked nodes, followed by the sentinels."""
    sentinels = np.arange(num_nodes, num_nodes + num_lists)
    links = np.concatenate([np.full(num_nodes, ABSENT), sentinels])
    return {"newer": links, "older": links.copy()}


def move_node(
    layout: CellLayout,
    cells: Int[Array, "cells"],
    node: Int[Array, ""],
    to: Int[Array, ""],
    unlink: Bool[Array, ""],
    push: Bool[Array, ""],
) -> CellWrites:
    """Unlink a node from its list (`unlink`), push it as the newest of the list `to` (`push`), or
    both."""
    newer, older = layout.read(cells, "newer", node), layout.read(cells, "older", node)
    newest = layout.read(cells, "older", to)
    changes = (unlink | push) & (newest != node)  # the newest of its list is where it would go
    leaves = (unlink & ~push) | changes
    unlink, push = unlink & leaves, push & changes
    return merge_writes(
        layout.write("newer", older, newer, unlink),
        layout.write("older", newer, older, unlink),
        layout.write("newer", newest, node, push),
        layout.write("older", to, node, push),
        layout.write("newer", node, jnp.where(push, to, ABSENT), unlink | push),
        layout.write("older", node, jnp.where(push, newest, ABSENT), unlink | push),
    )
