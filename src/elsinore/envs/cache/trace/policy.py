"""What a replacement policy is to the replay: what it remembers, and what it changes at each event."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.envs.cache.trace.cells import Writes


class Event(NamedTuple):
    """One request, and what is to be done about it in this step: at most one of `hit`, `evict` and `store`.

    `evict` asks for one thing that leads to room; the request comes again in the next step.
    """

    obj: Int[Array, ""]
    weight: Int[Array, ""]  # 1, or bytes
    time: Int[Array, ""]  # requests before this one
    next_use: Int[Array, ""]  # `time` of the next request of the object; oracle.NEVER if there is none
    used: Int[Array, ""]  # weight of all that is cached
    capacity: Int[Array, ""]
    hit: Bool[Array, ""]
    evict: Bool[Array, ""]
    store: Bool[Array, ""]


class Change(NamedTuple):
    """What a step changes. `freed` is the object that leaves the cache, or -1."""

    writes: Writes
    memo: Int[Array, "memo"]
    freed: Int[Array, ""]


class Policy(NamedTuple):
    """A policy for a trace of a given size: pure functions of its cells and a few numbers, its memo."""

    cells: np.ndarray  # before the first request
    memo: np.ndarray
    holds: Callable[..., Bool[Array, ""]]  # (cells, obj): whether the object is cached
    wants: Callable[..., Bool[Array, ""]]  # (cells, memo, event): whether an object that missed is to be stored
    advance: Callable[..., Change]  # (cells, memo, weights, event)
