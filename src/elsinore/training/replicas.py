"""The seed axis: many runs of one program. A replica is one element: a seed, or a seed of one
member of a population (`population.py`).

On an accelerator the axis is a `vmap`. On a CPU each core is a device that runs its seeds one after
another (`lax.map`): threads inside a small program cost more than they save, and batched small
matrix products are slower than a loop. Both draw the same numbers; a `vmap` of several seeds on a
device adds them in another order, and so differs by rounding.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Key, PyTree, Shaped

from elsinore.arguments import checked
from elsinore.jaxtools.compiler_options import CPU_OPTIONS, compiler_options
from elsinore.jaxtools.host_arrays import to_host
from elsinore.training.chunk import Program
from elsinore.training.layout import Layout


def over_seeds(function: Callable, layout: Layout, donate: bool = False) -> Callable:
    """Jit `function(state, *rest)` of one seed over stacked seeds, with `rest` shared.

    `donate`: `function` returns (new state, result), and new states reuse the memory of the old.
    Where a seed has several devices, states are returned by such a function only.
    """

    def per_device(stacked, *rest):
        one = lambda state: function(state, *rest)  # noqa: E731
        if layout.kind == "vmap" and layout.padded > layout.rows:
            return jax.vmap(one)(stacked)
        if layout.padded == layout.rows:  # one seed: nothing to cut out
            return _with_axis(one, stacked)
        return in_place(one, stacked) if donate else jax.lax.map(one, stacked)

    program = per_device
    if len(layout.devices) > 1:  # seeds do not communicate; shards of one seed do

        def program(stacked, *rest):
            in_specs, out_specs = _specs(layout, stacked, donate)
            solid, whole = without_empty(stacked, layout.rows)
            # Jitted, so that constants stay inside: empty arrays from outside (indices of some
            # scatters) crash XLA's partitioner in jaxlib 0.11.2.
            inner = jax.jit(lambda solid, *rest: per_device(whole(solid), *rest))
            specs = (in_specs, *[P()] * len(rest))
            per_row = jax.shard_map(
                inner, mesh=layout.mesh, in_specs=specs, out_specs=out_specs, check_vma=False
            )
            return per_row(solid, *rest)

    program.__name__ = getattr(function, "__name__", "program")  # for profiles
    return jax.jit(program, donate_argnums=0 if donate else (), compiler_options=compiler_options())


def _specs(layout: Layout, stacked: PyTree, donate: bool) -> tuple[Any, Any]:
    """Partitions of the leaves that are not empty, and of what a program returns."""
    if layout.devices_per_seed == 1:
        return P("seed"), P("seed")
    axes = zip(jax.tree.leaves(stacked), jax.tree.leaves(layout.divided), strict=True)
    states = jax.tree.map(layout.spec, layout.divided)
    returned = (states, P("seed")) if donate else P("seed")
    return [layout.spec(axis) for x, axis in axes if x.size], returned


def without_empty(
    stacked: PyTree, num_rows: int
) -> tuple[list[Array], Callable[[list[Array]], PyTree]]:
    """The leaves that are not empty, and a function that restores a shard of the whole."""
    leaves, structure = jax.tree.flatten(stacked)

    def whole(solid: list[Array]) -> PyTree:
        there = iter(solid)
        made = (
            next(there) if x.size else jnp.zeros((len(x) // num_rows, *x.shape[1:]), x.dtype)
            for x in leaves
        )
        return jax.tree.unflatten(structure, made)

    return [x for x in leaves if x.size], whole


def in_place(function: Callable, stacked: PyTree) -> tuple[PyTree, PyTree]:
    """Run `state -> (state, report)` seed after seed, each new state written over the old one.

    This holds one copy of all states and one seed's; `lax.map` would hold two of all.
    """
    num_seeds = jax.tree.leaves(stacked)[0].shape[0]

    def turn(stacked, i):
        state = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), stacked)
        state, report = function(state)
        put = lambda x, new: jax.lax.dynamic_update_index_in_dim(x, new, i, 0)  # noqa: E731
        return jax.tree.map(put, stacked, state), report

    return jax.lax.scan(turn, stacked, jnp.arange(num_seeds))


def _with_axis(function: Callable, stacked: PyTree) -> PyTree:
    """`function` of the only seed."""
    return jax.tree.map(lambda x: x[None], function(jax.tree.map(lambda x: x[0], stacked)))


def seed_keys(first_seed: int, num_seeds: int, members: int = 1) -> Key[Array, "replica"]:
    """Keys of the replicas: of the seeds, repeated for each member of a population."""
    return jnp.stack(
        [jax.random.key(first_seed + i) for _ in range(members) for i in range(num_seeds)]
    )


def init_seeds(program: Program, layout: Layout, first_seed: int, hyper: PyTree = None) -> PyTree:
    """Initial states of all seeds, stacked and placed; `hyper` leaves, if any, are [seed].

    Initialisation runs seed after seed: a vmapped orthogonal one can deadlock on jax 0.10.
    """
    return place(
        init_program(program, layout)(seed_keys(first_seed, layout.num_seeds), hyper), layout
    )


def init_program(program: Program, layout: Layout) -> Callable:
    """(keys [seed], hyper [seed] or None) -> the states, stacked; jitted.

    Accelerators initialise each seed, and each shard of one, where it will live, so that none has
    to hold them all; the states are padded and placed then.
    """

    def init(keys: Key[Array, "replica"], hyper: PyTree) -> PyTree:
        return jax.lax.map(lambda x: program.init(*x), (keys, hyper))

    options = compiler_options()
    if options is CPU_OPTIONS and not program.trains_in_init:
        options = options | {"xla_backend_optimization_level": 0}
    if not layout.inits_in_place:
        return jax.jit(init, compiler_options=options)

    def init_in_place(keys: Key[Array, "replica"], hyper: PyTree) -> PyTree:
        keys, hyper = jax.tree.map(lambda x: _padded(x, layout), (keys, hyper))
        seed, several = P("seed"), layout.devices_per_seed > 1
        states = jax.tree.map(layout.spec, layout.divided) if several else seed
        mapped = jax.shard_map(
            init, mesh=layout.mesh, in_specs=(seed, seed), out_specs=states, check_vma=False
        )
        return _with_padding_frozen(mapped(keys, hyper), layout)

    several = layout.devices_per_seed > 1
    where = layout.shardings(layout.divided) if several else layout.sharding
    return jax.jit(init_in_place, compiler_options=options, out_shardings=where)


def stacked(one: PyTree, num_seeds: int) -> PyTree:
    """Shapes and types of `num_seeds` states of the same shapes together."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), one)


def place(stacked: PyTree, layout: Layout) -> PyTree:
    """Put stacked seeds on the layout's devices, padded with frozen seeds where they are not."""
    if len(stacked.convergence.converged_at) < layout.padded:
        stacked = jax.tree.map(lambda x: _padded(x, layout), stacked)
        stacked = _with_padding_frozen(stacked, layout)
    if layout.devices_per_seed == 1:
        return jax.device_put(stacked, layout.sharding)
    return jax.device_put(stacked, layout.shardings(stacked))


def _padded(x: Shaped[Array, "seed ..."], layout: Layout) -> Shaped[Array, "padded ..."]:
    """Seeds, and copies of the first."""
    return jnp.concatenate([x, *[x[:1]] * (layout.padded - layout.num_seeds)])


def _with_padding_frozen(stacked: PyTree, layout: Layout) -> PyTree:
    convergence = stacked.convergence
    real = jnp.arange(layout.padded) < layout.num_seeds
    converged_at = jnp.where(real, convergence.converged_at, 0)
    return stacked._replace(convergence=convergence._replace(converged_at=converged_at))


def fetch(stacked: PyTree, layout: Layout) -> PyTree:
    """Stacked seeds as numpy arrays in host memory, without the padding; keys as their data."""
    return jax.tree.map(lambda x: x[: layout.num_seeds], to_host(stacked))


def wrap_keys(host: PyTree, like: PyTree) -> PyTree:
    """Invert `fetch`: wrap key data into keys wherever `like` has a key."""

    def wrap(x, like):
        return (
            jax.random.wrap_key_data(x if isinstance(x, jax.Array) else jnp.asarray(x))
            if jnp.issubdtype(like.dtype, jax.dtypes.prng_key)
            else x
        )

    return jax.tree.map(wrap, host, like)


@checked
def train_compiled(
    program: Program, layout: Layout, first_seed: int = 0, hyper: PyTree = None
) -> tuple[PyTree, PyTree]:
    """Train all chunks of all seeds in one compiled call.

    Launch long runs of large networks on several CPU devices chunk by chunk, as the host does: each
    large matrix product holds some 5 KB until its call ends (jaxlib 0.11.2, YNNPACK, several
    devices), which on MinAtar is 5 to 8 MB a second.

    Returns:
        the final states, stacked by seed, and every chunk's report, [seed, chunk, ...].
    """
    lengths = np.array(
        [program.schedule.updates_in(i) for i in range(program.schedule.num_chunks)], np.int32
    )

    def whole(state):
        return jax.lax.scan(program.chunk, state, lengths)

    states, reports = over_seeds(whole, layout, donate=True)(
        init_seeds(program, layout, first_seed, hyper)
    )
    return jax.tree.map(partial(_first, layout.num_seeds), (states, reports))


def _first(num_seeds: int, x: Shaped[Array, "seed ..."]) -> Shaped[Array, "seeds ..."]:
    return x[:num_seeds]
