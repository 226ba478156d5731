"""A policy's memory in one integer array: read anywhere, written once a step, never copied.

XLA copies an array that a loop reads and writes in the same pass, so that a step would cost as much
as there are objects. Here a pass begins with the writes decided in the pass before, and only reads
after them: the array stays in place, alone or under `vmap`, and a step costs the same for a
thousand objects as for a million.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int


class CellWrites(NamedTuple):
    """Values to write to cells. Only the spare cell may appear twice."""

    index: Int[Array, "writes"]
    value: Int[Array, "writes"]


class CellLayout:
    """Named fields side by side in one array, with a spare cell at its end for writes that do not
    apply."""

    def __init__(self, **sizes: int):
        ends = np.cumsum([0, *sizes.values()]).tolist()
        self.offsets = dict(zip(sizes, ends[:-1], strict=True))
        self.spare = ends[-1]

    def fresh(self, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """The array before the first request; fields that are not given are zeros."""
        cells = np.zeros(self.spare + 1, np.int64)
        for name, values in fields.items():
            cells[self.offsets[name] : self.offsets[name] + len(values)] = values
        return cells

    def read(
        self, cells: Int[Array, "cells"], field: str, place: Int[Array, "*n"]
    ) -> Int[Array, "*n"]:
        """Read one or more cells of a field."""
        return cells.at[self.offsets[field] + place].get(mode="promise_in_bounds")

    def write(
        self, field: str, place: Int[Array, "*n"], value: Int[Array, "*n"], when: Bool[Array, ""]
    ) -> CellWrites:
        """Write one or more cells of a field, or the spare cell where `when` is false."""
        place, value = jnp.broadcast_arrays(
            jnp.atleast_1d(jnp.asarray(place)), jnp.atleast_1d(jnp.asarray(value))
        )
        return CellWrites(jnp.where(when, self.offsets[field] + place, self.spare), value)


def merge_writes(*writes: CellWrites) -> CellWrites:
    return CellWrites(
        jnp.concatenate([w.index for w in writes]), jnp.concatenate([w.value for w in writes])
    )


def apply_writes(cells: Int[Array, "cells"], writes: CellWrites) -> Int[Array, "cells"]:
    """Apply all writes in place, as one scatter."""
    return cells.at[writes.index].set(writes.value.astype(cells.dtype), mode="promise_in_bounds")


def apply_writes_sequentially(
    cells: Int[Array, "cells"], writes: CellWrites
) -> Int[Array, "cells"]:
    """Apply one write after another.

    XLA compiles a loop with a body as small as LRU's into one piece of machine code, unless it has
    a scatter: on a CPU that is ten times as fast. Under `vmap` each write would become a scatter.
    """
    for index, value in zip(writes.index, writes.value.astype(cells.dtype), strict=True):
        cells = jax.lax.dynamic_update_index_in_dim(cells, value, index, 0)
    return cells
