"""The shards of a seed: an axis that a program has only where its seed has several.

A shard is a part of a seed's envs, with keys, rows and minibatches of its own; what all shards
share (parameters, statistics, counts) is combined here. Sums run in the shards' order, never by
`psum`, whose order, and so whose bits, depend on the devices from three on. So results depend on
the number of shards, and not on where they are computed.

Shards of one seed are on the devices of a mesh axis, on one device, or both: shard i x n + j is
number j of the n on device i. Those on one device are a `vmap` with collectives, in which functions
made by `per_shard` run in turn, so that each shard computes what it would compute alone.
Where there is one shard, each function here returns its argument.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.extend.core import ClosedJaxpr
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Int, Key, PyTree

from elsinore.jaxtools.barrier import barrier
from elsinore.jaxtools.repeats import without_repeats

DEVICES = "env"  # mesh axis: devices of one seed
IN_TURN = "shards in turn"  # of a `vmap` on one device, in which `per_shard` functions loop
# Vectors of at least this many numbers per device are summed by parts, one on each device (a
# reduce-scatter, then an all-gather).
LARGE = 2**14


def axis_size(*names: str) -> int:
    """The size of all these axes together; those that are not there count as 1."""
    sizes = 1
    for name in names:
        try:
            sizes *= jax.lax.axis_size(name)
        except NameError:  # what jax raises where there is no such axis
            continue
    return sizes


def number() -> int:
    """The number of shards of this seed."""
    return axis_size(DEVICES, IN_TURN)


def index() -> Int[Array, ""]:
    """The number of this shard."""
    place = jnp.int32(0)
    for name in (DEVICES, IN_TURN):
        if (size := axis_size(name)) > 1:
            place = place * size + jax.lax.axis_index(name)
    return place


def own_key(key: Key[Array, ""]) -> Key[Array, ""]:
    """The key of this shard: `key` itself where there is one shard."""
    return key if number() == 1 else jax.random.fold_in(key, index())


def gather(tree: PyTree) -> PyTree:
    """Every shard's value, [shard, ...]."""

    def one(x: Array) -> Array:
        here = _gather_here(x)
        return jax.lax.all_gather(here, DEVICES, tiled=True) if axis_size(DEVICES) > 1 else here

    return jax.tree.map(lambda x: one(jnp.asarray(x)), tree)


def _gather_here(x: Array) -> Array:
    """The values of the shards on this device, [shard, ...]."""
    return jax.lax.all_gather(x, IN_TURN) if axis_size(IN_TURN) > 1 else x[None]


def gather_rows(tree: PyTree) -> PyTree:
    """Rows of this shard as the rows of all shards."""
    if number() == 1:
        return tree
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), gather(tree))


def gather_envs(tree: PyTree) -> PyTree:
    """Envs of this shard, [time, env, ...], as the envs of all shards."""
    if number() == 1:
        return tree

    def one(x: Array) -> Array:
        x = jnp.moveaxis(x, 0, 1)
        return x.reshape(len(x), -1, *x.shape[3:])

    return jax.tree.map(one, gather(tree))


def total(tree: PyTree) -> PyTree:
    """The sum over all shards; float32 leaves take one collective together."""
    if number() == 1:
        return tree
    leaves, structure = jax.tree.flatten(tree)
    floats = [x for x in leaves if x.dtype == jnp.float32]
    vector, unravel = ravel_pytree(floats)
    sums = iter(unravel(_sum_of_vectors(vector)) if floats else ())
    return jax.tree.unflatten(
        structure,
        [next(sums) if x.dtype == jnp.float32 else _in_order(gather(x)) for x in leaves],
    )


def mean(tree: PyTree) -> PyTree:
    """The mean over all shards."""
    if number() == 1:
        return tree
    return barrier(jax.tree.map(lambda x: x / number(), total(tree)))


def minimum(x: Array) -> Array:
    """The least value of all shards."""
    return x if number() == 1 else jnp.min(gather(x), axis=0)


def maximum(x: Array) -> Array:
    """The greatest value of all shards."""
    return x if number() == 1 else jnp.max(gather(x), axis=0)


def after(earlier: PyTree, due: Bool[Array, ""]) -> Bool[Array, ""]:
    """`due`, known only once all of `earlier` is: for a branch in which shards meet.

    XLA for CPUs has devices meet in the order of the program, but forgets a conditional in it
    (jaxlib 0.11.2): where a branch did not depend on what shards had combined before it, one device
    was in the branch and the other was not, each waited for its own, and both took the other's
    data: a crash.
    """
    leaves = [x for x in jax.tree.leaves(earlier) if x.size]
    if axis_size(DEVICES) == 1 or not leaves:
        return due
    marks = [x.reshape(-1)[0].astype(jnp.int32) for x in leaves]
    seen = total(functools.reduce(operator.or_, marks))
    return due & (seen | 1 != 0)  # always true, which the compiler does not see


def _in_order(every: Array) -> Array:
    """The sum over the first axis, from the first to the last."""
    return functools.reduce(operator.add, [every[i] for i in range(len(every))])


def _sum_of_vectors(vector: Array) -> Array:
    """The sum of the shards' vectors. Each number is added up in the same order, on each device or
    on the one whose part of the vector it is in."""
    devices, size = axis_size(DEVICES), len(vector)
    if devices <= 2 or size < LARGE * devices:
        return _in_order(gather(vector))
    here = _gather_here(jnp.pad(vector, (0, -size % devices)))
    parts = jax.lax.all_to_all(here, DEVICES, split_axis=1, concat_axis=0, tiled=True)
    return jax.lax.all_gather(_in_order(parts), DEVICES, tiled=True)[:size]


def per_shard(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of arrays, with the same bits wherever a shard is: the shards of a device run it
    in turn, and each time, as for a shard that is alone on its device, in a loop of its own.

    For whatever rounds: products of matrices, sums over rows, products that are added up. It may
    hold no collective.
    """

    def each(*args: PyTree) -> Any:
        if number() == 1:
            return function(*args)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        device = jax.lax.axis_index(DEVICES) if axis_size(DEVICES) > 1 else jnp.int32(0)
        alone = custom_vmap(functools.partial(_one_turn, closed))
        alone.def_vmap(functools.partial(_turns, closed))
        found = alone(device, list(closed.consts), jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), found)

    return each


def _one_turn(closed: ClosedJaxpr, number: Int[ArrayLike, ""], consts: list, leaves: list) -> list:
    """The function once, in a loop whose single turn the compiler cannot foresee, for it depends on
    a `number`, of a device or a shard. So the function is compiled by itself, and not with how its
    inputs and outputs come and go."""
    turns = (barrier(number) < 2**30).astype(jnp.int32)
    avals = cast(list[Any], closed.out_avals)  # shapes and types
    empty = [jnp.zeros(x.shape, x.dtype) for x in avals]

    def turn(i: Int[Array, ""], _: list) -> list:
        _, inputs, args = barrier((i, consts, leaves))  # so that nothing of it is moved out
        return barrier(without_repeats(closed.replace(consts=inputs))(*args))

    return jax.lax.fori_loop(0, turns, turn, empty)


def _turns(
    closed: ClosedJaxpr,
    size: int,
    batched: list,
    device: Int[ArrayLike, ""],
    consts: list,
    leaves: list,
) -> tuple[list, list]:
    """The function for each shard; those of its inputs that are the same for all are not copied."""
    flat, structure = jax.tree.flatten((consts, leaves))
    differs = jax.tree.leaves(batched[1:])

    def one(number: Int[ArrayLike, ""], mine: list) -> list:
        there = iter(mine)
        whole = [next(there) if yes else x for x, yes in zip(flat, differs, strict=True)]
        return _one_turn(closed, device + number, *jax.tree.unflatten(structure, whole))

    mine = [x for x, yes in zip(flat, differs, strict=True) if yes]
    out = jax.lax.map(lambda x: one(*x), (jnp.arange(size), mine))
    return out, [True] * len(out)
