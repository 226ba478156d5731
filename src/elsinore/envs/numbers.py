"""Numbers of observations, in the dtype of their space.

Without gymnax: what reads a policy imports this before a platform is chosen.
"""

import dataclasses
from typing import Any

import numpy as np


def read_numbers(value: Any, dtype: np.dtype, exact: bool) -> np.ndarray:
    """`value` in the dtype; where `exact`, ValueError for what is no real number and for numbers
    that an integer dtype would change (300 or 0.5 in uint8, NaN)."""
    given = np.asarray(value)
    if not exact or given.dtype == dtype:
        return np.asarray(value, dtype)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{given.dtype} is no type of real numbers")
    with np.errstate(all="ignore"):
        kept = given.astype(dtype)
    if dtype.kind != "f" and (changed := kept != given).any():
        raise ValueError(f"{given[changed][0]} is out of bounds for {dtype}, or no whole number")
    return kept


def no_array_in(root: str, tree: Any) -> str:
    """The first part of a tree that no program of jax can take, and a remedy; "" where there is
    none."""
    import jax

    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, bool | int | float | complex | np.number | np.bool_ | np.ndarray):
            continue
        if isinstance(leaf, jax.Array):
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
