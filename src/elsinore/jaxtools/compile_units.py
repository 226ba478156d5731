"""Trace a function of an env once for each set of types; compile a large one once."""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Jaxpr, subjaxprs
from jaxtyping import PyTree

from elsinore.jaxtools.barrier import barrier


class _Itself(NamedTuple):
    """An env as a hashable key, equal to itself only."""

    env: Any

    def __hash__(self) -> int:
        return id(self.env)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.env is self.env


def cache_by_types(function: Callable) -> Callable:
    """`function(env, *args)` of arrays' types, called once for each env and types of arguments."""

    @lru_cache(maxsize=64)
    def found(env: _Itself, structure: Hashable, types: tuple) -> PyTree:
        like = [jax.ShapeDtypeStruct(shape, dtype, weak_type=weak) for shape, dtype, weak in types]
        return function(env.env, *jax.tree.unflatten(structure, like))

    def of(env: Any, *args: PyTree) -> PyTree:
        leaves, structure = jax.tree.flatten(args)
        return found(
            _Itself(env),
            structure,
            tuple((x.shape, x.dtype, x.weak_type) for x in map(jax.typeof, leaves)),
        )

    return of


# Operations. A step of Balatro without its shop has 1,400 to 1,900, and copying costs it 11 % of
# its speed; with the shop it has 4,500, and copying costs nothing that can be measured. The largest
# of MinAtar's games has 750.
LARGE_UNIT = 2_000


def compile_unit(function: Callable) -> Callable:
    """`function(env, *args)` of arrays, compiled once in a program if it is `LARGE_UNIT`.

    Learning and evaluation step the same envs, and XLA inlines calls, so it would compile the rules
    for each. Its CPU compiler optimises a marked unit of compilation once, and equal units for as
    many envs become the same kernels. The inputs and outputs of a unit are copied, which is slow
    where a step is small. On other devices nothing is marked, so that XLA can fuse.

    The output of a unit may be a loop's next carry only if nothing but the unit's own arguments
    reads the value it replaces; otherwise the compiler cannot merge its units (jaxlib 0.11.2).
    """

    @lru_cache(maxsize=64)
    def unit(env: _Itself) -> Callable:
        def whole(*args: PyTree) -> PyTree:
            return function(env.env, *args)

        whole.__name__ = function.__name__
        return jax.jit(whole)  # traced once, and one function in what is lowered

    def of(env: Any, *args: PyTree) -> PyTree:
        whole = unit(_Itself(env))
        if (
            jax.default_backend() != "cpu"
            or operations(whole.trace(*args).jaxpr.jaxpr) < LARGE_UNIT
        ):
            return function(env, *args)
        (first, *others), structure = jax.tree.flatten(whole(*args))
        # it marks the call that made this value
        marked = set_xla_metadata(first, compilation_unit=function.__name__)
        # Through a barrier, because a place that needs only some of the results would get a
        # function of its own.
        return jax.tree.unflatten(structure, barrier([marked, *others]))

    return of


def operations(jaxpr: Jaxpr) -> int:
    """Number of operations, nested ones included."""
    return len(jaxpr.eqns) + sum(map(operations, subjaxprs(jaxpr)))
