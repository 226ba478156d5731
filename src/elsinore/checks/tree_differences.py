"""Differences between two pytrees, or between a pytree and its space, as text with the path."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

TOLERANCE = 1e-4  # relative and absolute: float32, and compiled code may sum in another order


def space_leaves(space: Any, obs: PyTree, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of a simple space and its leaf of the observation; None where either is missing."""
    inner = children(getattr(space, "spaces", space))
    if inner is None:
        yield path, space, obs
        return
    seen = children(obs) or {}
    if all(isinstance(name, int) for name in inner):
        seen = dict(enumerate(seen.values()))
    for name in [*inner, *(name for name in seen if name not in inner)]:
        yield from space_leaves(inner.get(name), seen.get(name), f"{path}[{name!r}]")


def children(tree: Any) -> dict[Any, Any] | None:
    """The parts of a dict, tuple or record, by name; None for anything else."""
    if isinstance(tree, Mapping):
        return dict(tree)
    if isinstance(tree, (tuple, list)):
        as_dict = getattr(tree, "_asdict", None)
        return dict(enumerate(tree)) if as_dict is None else as_dict()
    if (
        dataclasses.is_dataclass(tree)
        and not hasattr(tree, "sample")
        and not hasattr(tree, "shape")
    ):
        return dict(vars(tree))
    return None


def shape_mismatch(leaves: list[tuple[str, Any, Any]]) -> str:
    """The first part where space and observation differ in structure or shape; '' if none."""
    for path, space, leaf in leaves:
        if space is None or leaf is None:
            return (
                f"{path} is in {'the observation' if space is None else 'observation_space'} only"
            )
        if not hasattr(leaf, "shape"):
            return f"{path} has parts, and {space} has none"
        if leaf.shape != tuple(getattr(space, "shape", leaf.shape)):
            return f"{path} has shape {leaf.shape}, and {space} has {tuple(space.shape)}"
    return ""


def dtype_mismatches(leaves: list[tuple[str, Any, Any]]) -> Iterator[str]:
    """Parts whose kind of dtype (float, integer, other) is not the one that the space declares."""
    for path, space, leaf in leaves:
        declared = np.dtype(getattr(space, "dtype", None) or leaf.dtype)
        if dtype_kind(declared) != dtype_kind(leaf.dtype):
            yield f"{path} is {leaf.dtype}, declared {declared}"


def dtype_kind(dtype: Any) -> Any:
    kinds = (jnp.floating, jnp.integer, jnp.generic)
    return next(kind for kind in kinds if jnp.issubdtype(dtype, kind))


def space_bounds(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest values that a simple space allows."""
    if hasattr(space, "n"):
        return np.float64(0), np.float64(space.n - 1)
    low, high = getattr(space, "low", -np.inf), getattr(space, "high", np.inf)
    return np.asarray(low, np.float64), np.asarray(high, np.float64)


def out_of_bounds(
    lowest: list[tuple[str, Any, Any]], highest: list[tuple[str, Any, Any]]
) -> Iterator[str]:
    """Parts that left the bounds of their space on the walk, with the most extreme number."""
    for (path, space, low), (_, _, high) in zip(lowest, highest, strict=True):
        floor, ceiling = space_bounds(space)
        for word, bound, excess, seen in (
            ("below", floor, floor - low, low),
            ("above", ceiling, high - ceiling, high),
        ):
            slack = TOLERANCE * (1 + np.abs(np.where(np.isfinite(bound), bound, 0)))
            if np.any(excess > slack):  # False for NaN, which the check float32 reports
                at = np.unravel_index(np.nanargmax(excess), excess.shape)
                declared = np.broadcast_to(bound, excess.shape)[at]
                yield (f"{path}{index_text(at)} was {seen[at]:g}, {word} the declared {declared:g}")


def index_text(at: tuple) -> str:
    return str(list(map(int, at))) if at else ""


def difference(one: PyTree, other: PyTree, tolerance: float = TOLERANCE) -> str:
    """The first difference of two trees, floats beyond float32's precision (0: any bit); '' if
    none."""
    one, other = to_numpy(one), to_numpy(other)
    if jax.tree.structure(one) != jax.tree.structure(other):
        return f"{jax.tree.structure(one)} against {jax.tree.structure(other)}"
    for (path, x), y in zip(paths("", one), jax.tree.leaves(other), strict=True):
        if x.shape != y.shape:
            return f"{path} has shape {x.shape} against {y.shape}"
        floats = np.issubdtype(x.dtype, np.floating) or np.issubdtype(y.dtype, np.floating)
        same = np.isclose(x, y, tolerance, tolerance, equal_nan=True) if floats else x == y
        if not np.all(same):
            at = tuple(np.argwhere(~same)[0])
            return f"{path}{index_text(at)} is {x[at]} against {y[at]}"
    return ""


def to_numpy(tree: PyTree) -> PyTree:
    """The tree with numpy arrays as its leaves: keys as their data, half floats as float32."""

    def convert(x):
        if is_key(x):
            x = jax.random.key_data(x)
        x = np.asarray(x)
        return x.astype(np.float32) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(convert, tree)


def is_key(x: Any) -> bool:
    return jnp.issubdtype(getattr(x, "dtype", None), jax.dtypes.prng_key)


def paths(root: str, tree: PyTree) -> list[tuple[str, Any]]:
    """Every leaf with its path, as `root.field['name']`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [((root + jax.tree_util.keystr(path)).lstrip("."), leaf) for path, leaf in leaves]


def primitives(jaxpr: Any) -> Iterator[str]:
    """The name of every primitive in a jaxpr and in the jaxprs it calls."""
    for eqn in jaxpr.eqns:
        yield eqn.primitive.name
        for value in jax.tree.leaves(
            list(eqn.params.values()), is_leaf=lambda x: hasattr(x, "jaxpr")
        ):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from primitives(inner)


def side_effects(jaxpr: Any) -> str:
    """The callbacks and effects of a traced function; '' for a pure one."""
    callbacks = sorted({found for found in primitives(jaxpr.jaxpr) if "callback" in found})
    return ", ".join(callbacks + [str(effect) for effect in jaxpr.effects])


def attributes(x: Any) -> dict[str, tuple[Any, int]]:
    """The attributes of an object, each with its length if that may change."""
    own = getattr(x, "__dict__", {}).items()
    return {name: (y, len(y) if isinstance(y, (list, dict, set)) else 0) for name, y in own}


def changed_attributes(x: Any, before: dict[str, tuple[Any, int]]) -> list[str]:
    """The names of those that are other objects, or have other lengths, than `before`."""
    now = attributes(x).items()
    unknown = (None, -1)
    return [
        name
        for name, (y, length) in now
        if y is not before.get(name, unknown)[0] or length != before.get(name, unknown)[1]
    ]


def is_tuple(values: Any, length: int) -> bool:
    return isinstance(values, (tuple, list)) and len(values) == length


def describe_value(values: Any) -> str:
    return (
        f"{len(values)} values"
        if isinstance(values, (tuple, list))
        else f"one {type(values).__name__}"
    )


def one_line(error: Exception) -> str:
    """An exception in one line: its type, and the first line of its message."""
    message = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {message}".rstrip(": .") + "."
