"""Successor predictions from past requests alone, for prefetching."""

from collections import Counter, defaultdict

import numpy as np
from jaxtyping import Float, Int

from elsinore.worlds.cache.trace.recording import Trace

NO_OBJECT = -1


def predicted_successors(
    trace: Trace, top: int = 5
) -> tuple[Int[np.ndarray, "request top"], Float[np.ndarray, "request top"]]:
    """(ids, probabilities) after each request, best first, ties to the lower id; -1 and 0 where
    there are fewer.

    Counts, over all clients so far and the present request included, how often each object was a
    client's next after this one: probability = count / (all counts of this object + 1).
    """
    ids = np.full((trace.num_requests, top), NO_OBJECT, np.int32)
    chances = np.zeros((trace.num_requests, top), np.float32)
    following: defaultdict[int, Counter] = defaultdict(Counter)
    last: dict[int, int] = {}
    for i, (obj, client) in enumerate(
        zip(trace.obj_id.tolist(), trace.client.tolist(), strict=True)
    ):
        if client in last:
            following[last[client]][obj] += 1
        last[client] = obj
        row = following[obj]
        best = sorted(row.items(), key=lambda item: (-item[1], item[0]))[:top]
        for rank, (successor, count) in enumerate(best):
            ids[i, rank], chances[i, rank] = successor, count / (row.total() + 1)
    return ids, chances
