"""Interface of an eviction policy to the replay: its memory, and its change at each event."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.cache.trace.cells import CellWrites


class CacheEvent(NamedTuple):
    """One request and this step's task: at most one of `hit`, `evict` and `store`.

    `evict` is one step towards room; the request comes again in the next step.
    """

    obj: Int[Array, ""]
    weight: Int[Array, ""]  # 1, or bytes
    time: Int[Array, ""]  # requests before this one
    # `time` of the next request of the object; oracle.NEVER_AGAIN if there is none
    next_use: Int[Array, ""]
    used: Int[Array, ""]  # weight of all that is cached
    capacity: Int[Array, ""]
    hit: Bool[Array, ""]
    evict: Bool[Array, ""]
    store: Bool[Array, ""]


class PolicyStep(NamedTuple):
    """Changes of a step. `freed` is the object that leaves the cache, or -1."""

    writes: CellWrites
    memo: Int[Array, "memo"]
    freed: Int[Array, ""]


class EvictionPolicy(NamedTuple):
    """A policy for a trace of a given size: pure functions of its cells and of a few numbers, its
    memo."""

    cells: np.ndarray  # before the first request
    memo: np.ndarray
    holds: Callable[..., Bool[Array, ""]]  # (cells, obj): whether the object is cached
    # (cells, memo, event): whether an object that missed is to be stored
    wants: Callable[..., Bool[Array, ""]]
    advance: Callable[..., PolicyStep]  # (cells, memo, weights, event)
