"""What only depends on a world and on types is traced once; and what is large is compiled once."""

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend.core import Jaxpr, subjaxprs
from jaxtyping import PyTree

from elsinore.ops.once import once


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


# Operations. A step of Balatro without its shop has 1,400 to 1,900, and copying costs it 11 % of its speed; with the
# shop it has 4,500, and copying costs nothing that can be measured. The largest of MinAtar's games has 750.
LARGE = 2_000


def compiled_once(function: Callable) -> Callable:
    """`function(env, *args)` of arrays: what is `LARGE` is compiled once, wherever in a program it is called.

    Learning and evaluation step the same worlds, and XLA would compile the rules anew for each, because it inlines
    calls. Not those that are marked as units of compilation: its CPU compiler optimises each unit once, beside the
    others, and what comes out alike, for as many worlds, is the same kernels. What goes into a unit and out of it is
    copied, which is dear where a step is small. On other machines nothing is marked: they would rather fuse.

    What a unit gives may be a loop's next carry only where nothing but its own arguments needs what it replaces:
    otherwise the compiler, which must let others read that first, cannot put its units together (jaxlib 0.11.2).
    """

    @lru_cache(maxsize=64)
    def unit(env: _Itself) -> Callable:
        def whole(*args):
            return function(env.world, *args)

        whole.__name__ = function.__name__
        return jax.jit(whole)  # traced once, and one function in what is lowered

    def of(env: Any, *args: PyTree) -> PyTree:
        whole = unit(_Itself(env))
        if jax.default_backend() != "cpu" or operations(whole.trace(*args).jaxpr.jaxpr) < LARGE:
            return function(env, *args)
        (first, *others), structure = jax.tree.flatten(whole(*args))
        marked = set_xla_metadata(first, compilation_unit=function.__name__)  # it marks the call that made this value
        # Through a barrier, because a place that needs only some of the results would get a function of its own.
        return jax.tree.unflatten(structure, once([marked, *others]))

    return of


def operations(jaxpr: Jaxpr) -> int:
    """How many there are, within each other too."""
    return len(jaxpr.eqns) + sum(map(operations, subjaxprs(jaxpr)))
