"""What only depends on a world and on types is traced once."""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree


class _Itself(NamedTuple):
    """A world as a key: worlds need not be hashable, and only the very same one is equal."""

    world: Any

    def __hash__(self) -> int:
        return id(self.world)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.world is self.world


def once_for_types(function: Callable) -> Callable:
    """`function(env, *args)` of arrays' types alone, called once for each world and types of arguments.

    A program asks for the same types wherever it steps a world, and tracing is dear where worlds are large.
    """

    @lru_cache(maxsize=64)
    def found(env: _Itself, structure: Hashable, types: tuple) -> PyTree:
        like = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in types]
        return function(env.world, *jax.tree.unflatten(structure, like))

    def of(env: Any, *args: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(args)
        return found(_Itself(env), structure, tuple((x.shape, x.dtype, x.weak_type) for x in map(jax.typeof, leaves)))

    return of
