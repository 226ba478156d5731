"""Quantities that need the whole trace: next uses and stack distances."""

import numpy as np
from jaxtyping import Int

NEVER_AGAIN = 1 << 30  # an index beyond every trace's end


def previous_uses(obj_id: Int[np.ndarray, "request"]) -> Int[np.ndarray, "request"]:
    """Index of the previous request of the same object; -1 for the first."""
    order = np.argsort(obj_id, kind="stable")
    same = obj_id[order[1:]] == obj_id[order[:-1]]
    previous = np.full(len(obj_id), -1, np.int32)
    previous[order[1:][same]] = order[:-1][same]
    return previous


def next_uses(obj_id: Int[np.ndarray, "request"]) -> Int[np.ndarray, "request"]:
    """Index of the next request of the same object; NEVER_AGAIN for the last."""
    previous = previous_uses(obj_id)
    following = np.full(len(obj_id), NEVER_AGAIN, np.int32)
    again = np.flatnonzero(previous >= 0)
    following[previous[again]] = again
    return following


def earlier_requests(obj_id: Int[np.ndarray, "request"]) -> Int[np.ndarray, "request"]:
    """Number of earlier requests of the same object."""
    order = np.argsort(obj_id, kind="stable")
    starts = np.searchsorted(obj_id[order], obj_id[order], side="left")
    earlier = np.empty(len(obj_id), np.int32)
    earlier[order] = np.arange(len(obj_id)) - starts
    return earlier


def stack_distances(obj_id: Int[np.ndarray, "request"]) -> Int[np.ndarray, "request"]:
    """Number of other objects requested since the last request of the same one; NEVER_AGAIN for a
    first request.

    An LRU cache of C objects hits exactly the requests of distance < C, so this is LRU at every
    capacity at once (Mattson et al. 1970). Of the requests between, those count that are the last
    of their object so far: their number is (i - previous) - 1 less the pairs nested inside, and
    nested pairs are counted by merging, n log n in all.
    """
    previous = previous_uses(obj_id)
    again = np.flatnonzero(previous >= 0)
    distance = np.full(len(obj_id), NEVER_AGAIN, np.int64)
    distance[again] = again - previous[again] - 1 - _later_among_earlier(previous[again])
    return distance


def _later_among_earlier(values: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """For each of distinct values, the number of greater ones before it: all blocks of a merge sort
    at once."""
    size = 1 << max(1, (len(values) - 1).bit_length())
    rank = np.full(size, size, np.int64)
    rank[: len(values)] = np.argsort(np.argsort(values))
    rank[len(values) :] = np.arange(len(values), size)
    counts, where = np.zeros(size, np.int64), np.arange(size)
    by_value = rank.copy()
    width = 1
    while width < size:
        block = np.arange(size) // (2 * width)
        right = (np.arange(size) // width) % 2 == 1  # of the positions before this merge
        order = np.argsort(block * size + by_value, kind="stable")
        from_left = (~right[order]).reshape(-1, 2 * width)
        smaller = np.cumsum(from_left, axis=1).ravel()
        moved = right[order]
        counts[where[order][moved]] += width - smaller[moved]
        where, by_value = where[order], by_value[order]
        width *= 2
    return counts[: len(values)]
