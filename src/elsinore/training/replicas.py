"""The seed axis: many runs of one program. A replica is one element: a seed, or a seed of one
member of a population (`population.py`).

On an accelerator the axis is a `vmap`. On a CPU each core is a device that runs its seeds one after
another (`lax.map`): threads inside a small program cost more than they save, and batched small
matrix products are slower than a loop. Both draw the same numbers; a `vmap` of several seeds on a
device adds them in another order, and so differs by rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, Sharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Key, PyTree, Shaped

from elsinore.arguments import checked
from elsinore.training.chunk import Program

# XLA's CPU defaults suit large programs. These are measured on small ones, one PPO seed at 4 envs x
# 128 steps: fewer copies in loops (+13 %), 512-bit vectors where the machine has them (+8 %), no
# reordering for a concurrency that one core does not have (+4 %). LLVM's first level compiles in 3
# to 14 % less time, for code that is as fast (but for GRUs, 4 % slower): XLA has vectorised by
# then. Vector width changes the order of sums, so results differ from XLA's defaults by rounding
# (7e-8 after 20 updates); among our runs they are equal.
CPU_OPTIONS = {
    "xla_cpu_copy_insertion_use_region_analysis": True,
    "xla_cpu_prefer_vector_width": 512,
    "xla_cpu_enable_concurrency_optimized_scheduler": False,
    "xla_cpu_multi_thread_eigen": False,
    "xla_backend_optimization_level": 1,
}


@dataclass(frozen=True)
class Layout:
    """Placement of the seeds: `kind` inside each device, `padded` >= the number of seeds in all."""

    kind: str  # map | vmap
    devices: tuple
    num_seeds: int

    @property
    def padded(self) -> int:
        """Seeds with padding, equally many per device; padding is frozen and not reported."""
        return -(-self.num_seeds // len(self.devices)) * len(self.devices)

    @property
    def batch(self) -> int:
        """Seeds that a device computes as one batch; layouts of another batch differ by
        rounding."""
        return self.padded // len(self.devices) if self.kind == "vmap" else 1

    def described(self) -> dict[str, Any]:
        """Plain data for a checkpoint's manifest."""
        return {"kind": self.kind, "devices": len(self.devices), "batch": self.batch}

    @property
    def mesh(self) -> Mesh:
        return jax.make_mesh(
            (len(self.devices),), ("seed",), axis_types=(AxisType.Auto,), devices=self.devices
        )

    @property
    def sharding(self) -> Sharding:
        """Sharding by seed. One device needs no mesh: with one, states and a program's own arrays
        would differ in type, and cause a second trace."""
        return (
            SingleDeviceSharding(*self.devices)
            if len(self.devices) == 1
            else NamedSharding(self.mesh, P("seed"))
        )

    @property
    def everywhere(self) -> Sharding:
        """Replicated sharding."""
        return self.sharding if len(self.devices) == 1 else NamedSharding(self.mesh, P())


def layout_for(num_seeds: int, kind: str = "auto") -> Layout:
    """`auto` is `map` on CPU and `vmap` elsewhere, over as many devices as there are seeds for."""
    if kind == "auto":
        kind = "map" if jax.default_backend() == "cpu" else "vmap"
    devices = jax.local_devices()
    return Layout(kind, tuple(devices[: min(num_seeds, len(devices))]), num_seeds)


def compiler_options() -> dict[str, Any]:
    return CPU_OPTIONS if jax.default_backend() == "cpu" else {}


def over_seeds(function: Callable, layout: Layout, donate: bool = False) -> Callable:
    """Jit `function(state, *rest)` of one seed over stacked seeds, with `rest` shared.

    `donate`: `function` returns (new state, result), and new states reuse the memory of the old.
    """

    def per_device(stacked, *rest):
        one = lambda state: function(state, *rest)  # noqa: E731
        if layout.kind == "vmap" and layout.padded > len(layout.devices):
            return jax.vmap(one)(stacked)
        return in_place(one, stacked) if donate else jax.lax.map(one, stacked)

    program = per_device
    if len(layout.devices) > 1:  # no communication: each device runs its own shard

        def program(stacked, *rest):
            solid, whole = without_empty(stacked, len(layout.devices))
            # Jitted, so that constants stay inside: empty arrays from outside (indices of some
            # scatters) crash XLA's partitioner in jaxlib 0.11.2.
            inner = jax.jit(lambda solid, *rest: per_device(whole(solid), *rest))
            specs = (P("seed"), *[P()] * len(rest))
            per_shard = jax.shard_map(
                inner, mesh=layout.mesh, in_specs=specs, out_specs=P("seed"), check_vma=False
            )
            return per_shard(solid, *rest)

    return jax.jit(program, donate_argnums=0 if donate else (), compiler_options=compiler_options())


def without_empty(
    stacked: PyTree, num_shards: int
) -> tuple[list[Array], Callable[[list[Array]], PyTree]]:
    """The leaves that are not empty, and a function that restores a shard of the whole."""
    leaves, structure = jax.tree.flatten(stacked)

    def whole(solid: list[Array]) -> PyTree:
        there = iter(solid)
        made = (
            next(there) if x.size else jnp.zeros((len(x) // num_shards, *x.shape[1:]), x.dtype)
            for x in leaves
        )
        return jax.tree.unflatten(structure, made)

    return [x for x in leaves if x.size], whole


def in_place(function: Callable, stacked: PyTree) -> tuple[PyTree, PyTree]:
    """Run `state -> (state, report)` seed after seed, each new state written over the old one.

    This holds one copy of all states and one seed's; `lax.map` would hold two of all.
    """
    num_seeds = jax.tree.leaves(stacked)[0].shape[0]
    if num_seeds == 1:  # nothing to cut out
        return jax.tree.map(lambda x: x[None], function(jax.tree.map(lambda x: x[0], stacked)))

    def turn(stacked, i):
        state = jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, keepdims=False), stacked)
        state, report = function(state)
        put = lambda x, new: jax.lax.dynamic_update_index_in_dim(x, new, i, 0)  # noqa: E731
        return jax.tree.map(put, stacked, state), report

    return jax.lax.scan(turn, stacked, jnp.arange(num_seeds))


def seed_keys(first_seed: int, num_seeds: int, members: int = 1) -> Key[Array, "replica"]:
    """Keys of the replicas: of the seeds, repeated for each member of a population."""
    return jnp.stack(
        [jax.random.key(first_seed + i) for _ in range(members) for i in range(num_seeds)]
    )


def init_seeds(program: Program, layout: Layout, first_seed: int, hyper: PyTree = None) -> PyTree:
    """Initial states of all seeds, stacked and placed; `hyper` leaves, if any, are [seed].

    Initialisation runs seed after seed: a vmapped orthogonal one can deadlock on jax 0.10.
    """
    return place(init_program(program)(seed_keys(first_seed, layout.num_seeds), hyper), layout)


def init_program(program: Program) -> Callable:
    """(keys [seed], hyper [seed] or None) -> the states, stacked; jitted."""

    def init(keys: Key[Array, "replica"], hyper: PyTree) -> PyTree:
        return jax.lax.map(lambda x: program.init(*x), (keys, hyper))

    options = compiler_options()
    if options and not program.trains_in_init:
        options = options | {"xla_backend_optimization_level": 0}
    return jax.jit(init, compiler_options=options)


def stacked_shapes(program: Program, num_seeds: int) -> PyTree:
    """Shapes and types of `num_seeds` seeds' states together."""
    one = jax.eval_shape(program.init, jax.random.key(0))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), one)


def place(stacked: PyTree, layout: Layout) -> PyTree:
    """Put stacked seeds on the layout's devices, padded with frozen seeds."""
    extra = layout.padded - layout.num_seeds
    if extra:
        fill = jax.tree.map(lambda x: x[:1], stacked)
        frozen = jnp.zeros_like(fill.convergence.converged_at)
        fill = fill._replace(convergence=fill.convergence._replace(converged_at=frozen))
        stacked = jax.tree.map(lambda x, f: jnp.concatenate([x, *[f] * extra]), stacked, fill)
    return jax.device_put(stacked, layout.sharding)


def fetch(stacked: PyTree, layout: Layout) -> PyTree:
    """Stacked seeds as numpy arrays in host memory, without the padding; keys as their data."""

    def to_host(x):
        x = jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        return np.asarray(x)[: layout.num_seeds]

    return jax.tree.map(to_host, stacked)


def wrap_keys(host: PyTree, like: PyTree) -> PyTree:
    """Invert `fetch`: wrap key data into keys wherever `like` has a key."""

    def wrap(x, like):
        return (
            jax.random.wrap_key_data(jnp.asarray(x))
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
