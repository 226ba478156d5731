"""Parts of an environment that no compiled program can take: texts, or dataclasses of Python."""

import dataclasses
from typing import Any

import numpy as np

NUMBERS = (bool, int, float, complex, np.number, np.bool_, np.ndarray)


def no_array_in(root: str, tree: Any) -> str:
    """The first part of a tree that no program of jax can take, and a remedy; "" where there is
    none."""
    import jax

    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, (*NUMBERS, jax.Array)):
            continue
        name = (root + jax.tree_util.keystr(path)).lstrip(".")
        if dataclasses.is_dataclass(leaf):
            remedy = "let it be a flax.struct.dataclass, in place of one of Python"
        else:
            remedy = (
                "give numbers and arrays, and keep what is none in the environment itself or in"
                " a flax.struct.field(pytree_node=False)"
            )
        return f"{name} is of type {type(leaf).__name__}, which jax cannot compile with; {remedy}."
    return ""
