"""Names of the arrays of an observation, and the observation that an exported policy takes."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import PyTree


def named_arrays(obs: PyTree) -> dict[str, Any]:
    """The arrays of an observation in order, by their names: "" for a single one, "a/b" for one in
    a dict in a dict. An array whose name another one has gets `_` at its end."""
    found: dict[str, Any] = {}
    for path, x in jax.tree_util.tree_leaves_with_path(obs):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        while name in found or (path and not name):
            name += "_"
        found[name] = x
    return found


def exported_observation(obs: PyTree) -> tuple[PyTree, Callable[[PyTree], PyTree]]:
    """The observation that an exported policy takes, and the function that makes of it what the
    environment gives: the same, or a dict of its arrays by name where a file cannot hold its kind,
    such as a dict with numbers for keys or a record."""
    if _is_plain(obs):
        return obs, lambda given: given
    named, tree = named_arrays(obs), jax.tree.structure(obs)
    return dict(sorted(named.items())), lambda given: tree.unflatten(given[name] for name in named)


def _is_plain(tree: PyTree) -> bool:
    """True for arrays in dicts with texts for keys, lists and tuples."""
    if type(tree) is dict:
        return all(type(key) is str and _is_plain(part) for key, part in tree.items())
    if type(tree) in (list, tuple):
        return all(map(_is_plain, tree))
    return jax.tree_util.all_leaves([tree])
