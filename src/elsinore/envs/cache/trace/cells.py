"""Everything a policy remembers, in one array of integers: read anywhere, written once a step, never copied.

A loop that reads an array and writes it in the same pass is copied whole by XLA where the two overlap, so that a step
would cost as much as there are objects. Here a pass begins with the writes decided in the one before, and only reads
from there on: the array stays in place, alone or under `vmap`, and a step costs the same for a thousand objects as for
a million.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int


class Writes(NamedTuple):
    """Values for cells. No cell but the spare one may be named twice."""

    index: Int[Array, "writes"]
    value: Int[Array, "writes"]


class Layout:
    """Named fields side by side in one array, and a spare cell at its end for what is not to be written."""

    def __init__(self, **sizes: int):
        ends = np.cumsum([0, *sizes.values()]).tolist()
        self.offsets = dict(zip(sizes, ends[:-1], strict=True))
        self.spare = ends[-1]

    def fresh(self, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """The array as it is before the first request; fields that are not given hold zeros."""
        cells = np.zeros(self.spare + 1, np.int64)
        for name, values in fields.items():
            cells[self.offsets[name] : self.offsets[name] + len(values)] = values
        return cells

    def read(self, cells: Int[Array, "cells"], field: str, place: Int[Array, "*n"]) -> Int[Array, "*n"]:
        """One or more cells of a field."""
        return cells.at[self.offsets[field] + place].get(mode="promise_in_bounds")

    def write(self, field: str, place: Int[Array, "*n"], value: Int[Array, "*n"], when: Bool[Array, ""]) -> Writes:
        """One or more cells of a field, or the spare cell where `when` is false."""
        place, value = jnp.broadcast_arrays(jnp.atleast_1d(jnp.asarray(place)), jnp.atleast_1d(jnp.asarray(value)))
        return Writes(jnp.where(when, self.offsets[field] + place, self.spare), value)


def together(*writes: Writes) -> Writes:
    """Several writes as one."""
    return Writes(jnp.concatenate([w.index for w in writes]), jnp.concatenate([w.value for w in writes]))


def written(cells: Int[Array, "cells"], writes: Writes) -> Int[Array, "cells"]:
    """The array with the writes done: one scatter, in place."""
    return cells.at[writes.index].set(writes.value.astype(cells.dtype), mode="promise_in_bounds")


def written_in_turn(cells: Int[Array, "cells"], writes: Writes) -> Int[Array, "cells"]:
    """The same, one write after another.

    XLA compiles a loop whose body is as small as LRU's into one piece of machine code, unless there is a scatter in it:
    on a CPU that is ten times as fast. Under `vmap` each write would become a scatter.
    """
    for index, value in zip(writes.index, writes.value.astype(cells.dtype), strict=True):
        cells = jax.lax.dynamic_update_index_in_dim(cells, value, index, 0)
    return cells
