"""The states of a run on its devices, in turns: a program computes one seed of each device, and is
launched once for every turn.

So the same program serves any number of seeds, and no seed is cut out of a larger array and put
back, which takes two kernels for each array of a state: a third of all that a chunk of several
seeds a device had to compile. Where seeds are one batch (`vmap`) or change places (a population
step) there is one turn of all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.jaxtools import processes
from elsinore.jaxtools.host_arrays import put, to_host
from elsinore.training.chunk import Program
from elsinore.training.layout import Layout
from elsinore.training.replicas import init_program, place, seed_keys, wrap_keys
from elsinore.types import RunState

Turns = tuple[RunState, ...]  # each [replica of the turn, ...], on the layout's devices


def in_turns(program: Callable) -> Callable:
    """`program(state, *rest) -> (state, report)` for each turn: (states, reports)."""

    def launch(states: Turns, *rest: Any) -> tuple[Turns, tuple[PyTree, ...]]:
        done = [program(state, *rest) for state in states]
        return tuple(state for state, _ in done), tuple(report for _, report in done)

    return launch


def joined_turns(parts: Sequence[PyTree], layout: Layout) -> PyTree:
    """Numpy arrays of each turn as [replica, ...], without the padding."""
    return jax.tree.map(lambda *x: np.concatenate(x)[: layout.num_seeds], *parts)


def fetch_turns(states: Sequence[PyTree], layout: Layout) -> PyTree:
    """States of all turns as numpy arrays [replica, ...] in host memory; keys as their data."""
    return joined_turns([to_host(state) for state in states], layout)


def place_host(host: PyTree, shapes: PyTree, layout: Layout) -> Turns:
    """Put states that `fetch` brought to host memory back on the layout's devices, in turns, one
    after another; `shapes` are of one state (`Plan.state_shapes`)."""
    turn = layout.turn

    def placed(start: int) -> RunState:
        rows = _padded(host, range(start, start + turn.padded))
        if layout.devices_per_seed > 1 and not processes.joined():  # one turn of all seeds
            return place(wrap_keys(rows, shapes), layout)
        where = turn.sharding if layout.devices_per_seed == 1 else layout.shardings(host)
        return wrap_keys(put(rows, where), shapes)

    return tuple(placed(start) for start in range(0, layout.padded, turn.padded))


def replica_of(parts: Sequence[PyTree], i: int) -> PyTree:
    """Replica `i` of what all turns hold, as numpy arrays; of several processes all must call."""
    turn, place = divmod(i, len(jax.tree.leaves(parts[0])[0]))
    return jax.tree.map(lambda x: np.array(x[place]), to_host(parts[turn]))


def begin(init: Callable, shapes: PyTree, layout: Layout, keys: jax.Array, hyper: PyTree) -> Turns:
    """The initial states; `init` is `lower_begin`'s, compiled. Beside them at most one seed's more
    is held at a time: replay buffers are gigabytes."""
    if not layout.one_a_device:
        stacked = init(keys, hyper)
        if layout.inits_in_place:
            return (stacked,)
        if processes.joined():
            return place_host(to_host(stacked), shapes, layout)
        return (place(stacked, layout),)
    data, hyper = np.asarray(jax.random.key_data(keys)), jax.tree.map(np.asarray, hyper)

    def one(i: int, device) -> RunState:
        """[1, ...] of seed `i` on a device, or of padding, which is the first seed, frozen."""
        row = slice(i, i + 1) if i < layout.num_seeds else slice(1)
        key = jax.random.wrap_key_data(jnp.asarray(data[row]))
        state = init(key, jax.tree.map(lambda x: x[row], hyper))
        if i >= layout.num_seeds:
            none = jnp.zeros_like(state.convergence.converged_at)
            state = state._replace(convergence=state.convergence._replace(converged_at=none))
        return jax.block_until_ready(jax.device_put(state, device))

    def turn(start: int) -> RunState:
        places = enumerate(layout.devices, start)
        ours = [one(*place) for place in places if place[1].process_index == jax.process_index()]
        return jax.tree.map(partial(_of_devices, layout), *ours)

    return tuple(turn(start) for start in range(0, layout.padded, len(layout.devices)))


def _of_devices(layout: Layout, *each: jax.Array) -> jax.Array:
    """One array of those of the devices of this process, without a copy."""
    shape = (len(layout.devices), *each[0].shape[1:])
    return jax.make_array_from_single_device_arrays(shape, layout.sharding, each)


def lower_begin(program: Program, layout: Layout, hyper: PyTree) -> Any:
    """The program of `begin`, lowered: of one seed where a program computes one a device."""
    number = 1 if layout.one_a_device else layout.num_seeds
    keys = jax.eval_shape(lambda: seed_keys(0, number))
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((number, *x.shape[1:]), x.dtype), hyper)
    return init_program(program, layout).lower(keys, like)


def _padded(host: PyTree, rows: range) -> PyTree:
    """Some rows of states; those beyond the last are copies of the first seed, frozen,
    as `replicas.place` adds them to arrays of devices."""
    held = len(host.convergence.converged_at)
    if rows.stop <= held:
        return jax.tree.map(lambda x: np.asarray(x)[rows.start : rows.stop], host)
    index = [i if i < held else 0 for i in rows]
    turn = jax.tree.map(lambda x: np.asarray(x)[index], host)
    frozen = turn.convergence.converged_at.copy()
    frozen[[i >= held for i in rows]] = 0
    return turn._replace(convergence=turn.convergence._replace(converged_at=frozen))
