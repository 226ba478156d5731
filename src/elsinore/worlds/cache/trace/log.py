"""A trace as arrays by request: the object, and its earlier and later requests. Computed once, on
the host.

An object's history is looked up at the request that last used it, so no step keeps a table of
objects.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from elsinore.worlds.cache.trace.oracle import earlier_requests, next_uses, previous_uses
from elsinore.worlds.cache.trace.recording import Trace

MOST_SLOTS = 4_096  # of a capacity in bytes, whatever the objects' sizes


class TraceLog(NamedTuple):
    """[request] each, int32."""

    obj: Int[np.ndarray, "request"]
    weight: Int[np.ndarray, "request"]  # 1, or bytes
    size: Int[np.ndarray, "request"]  # bytes
    cls: Int[np.ndarray, "request"]
    previous: Int[np.ndarray, "request"]  # the last request of the same object before, -1: none
    earlier: Int[np.ndarray, "request"]  # requests of the same object before
    next_use: Int[np.ndarray, "request"]  # of the future: for teachers, never for observations


def trace_log(trace: Trace, unit: str) -> TraceLog:
    """Log of a trace whose capacity is counted in `unit`."""
    weight = trace.weights(unit)[trace.obj_id].astype(np.int32)
    ids = trace.obj_id
    cls = trace.cls.astype(np.int32)
    return TraceLog(
        ids, weight, trace.size, cls, previous_uses(ids), earlier_requests(ids), next_uses(ids)
    )


def num_slots_for(trace: Trace, capacity: int, unit: str) -> int:
    """Most entries that a cache can hold: the smallest objects that fit, and at most 4,096 in
    bytes."""
    fitting = int(np.searchsorted(np.cumsum(np.sort(trace.weights(unit))), capacity, side="right"))
    return fitting if unit == "objects" else min(fitting, MOST_SLOTS)
