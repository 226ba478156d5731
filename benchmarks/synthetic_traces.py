"""Synthetic traces with the habits of recorded ones: popularity, recency, bursts, scans.

A policy for unseen traces must train on more than one kind; `concatenate_traces` puts several in a
row.
"""

import numpy as np

from elsinore.worlds.cache.trace.recording import Trace, zipf_trace


def drifting_trace(
    num_requests: int, num_objects: int, exponent: float, lifetime: int, seed: int
) -> Trace:
    """Zipf's popularity, where about every `lifetime` requests an object passes its rank to a new
    one."""
    rng = np.random.default_rng(seed)
    shares = np.cumsum(np.arange(1, num_objects + 1) ** -exponent)
    rank = np.searchsorted(shares, rng.random(num_requests) * shares[-1])
    phase = rng.integers(0, lifetime, num_objects)  # ranks change hands at different times
    holder = (np.arange(num_requests) + phase[rank]) // lifetime
    return Trace.of(rank + holder * num_objects)


def recent_trace(
    num_requests: int, num_objects: int, spread: float, fresh: float, seed: int
) -> Trace:
    """Recency: the stack distance is log-normal, of median 2^spread / 4.

    A share `fresh` of the requests is for the object used longest ago, or never.
    """
    rng = np.random.default_rng(seed)
    distance = np.exp(rng.normal(np.log(2.0**spread / 4), 1.5, num_requests)).astype(int)
    stack, ids = list(range(num_objects)), np.empty(num_requests, np.int64)
    for i, new in enumerate(rng.random(num_requests) < fresh):
        ids[i] = stack.pop(len(stack) - 1 if new else min(distance[i], len(stack) - 1))
        stack.insert(0, ids[i])
    return Trace.of(ids)


def bursty_trace(num_requests: int, num_objects: int, uses: float, length: int, seed: int) -> Trace:
    """Bursts: each object is requested about `uses` times within about `length` requests, then
    rests."""
    rng = np.random.default_rng(seed)
    bursts = int(num_requests / uses) + 1
    shares = np.cumsum(np.arange(1, num_objects + 1) ** -0.6)
    obj = np.searchsorted(shares, rng.random(bursts) * shares[-1])
    count = rng.geometric(1.0 / uses, bursts)
    begin = np.repeat(rng.uniform(0, num_requests, bursts), count)
    at = begin + rng.exponential(length / 2, count.sum())
    order = np.argsort(at)
    return Trace.of(np.repeat(obj, count)[order][:num_requests])


def scanning_trace(num_requests: int, num_objects: int, run: int, share: float, seed: int) -> Trace:
    """Zipf's popularity, with scans of `run` consecutive, rarely repeated objects for a share of
    the requests."""
    rng = np.random.default_rng(seed)
    ids = zipf_trace(num_requests, num_objects, 0.9, seed).obj_id.astype(np.int64)
    for begin in range(0, num_requests - run, int(run / share)):
        first = num_objects + run * rng.integers(0, 20)
        ids[begin : begin + run] = first + np.arange(run)
    return Trace.of(ids)


def repeating_trace(
    num_requests: int, num_runs: int, length: float, repeats: float, readers: int, seed: int
) -> Trace:
    """Several readers in turn read runs of about `length` objects from end to end, about `repeats`
    times.

    A reader's next run has Zipf's popularity, exponent 0.5.
    """
    rng = np.random.default_rng(seed)
    first = np.cumsum(rng.geometric(1.0 / length, num_runs + 1))
    shares = np.cumsum(np.arange(1, num_runs + 1) ** -0.5)
    queues: list[list[int]] = [[] for _ in range(readers)]
    ids = np.empty(num_requests, np.int64)
    for i, reader in enumerate(rng.integers(0, readers, num_requests)):
        if not queues[reader]:
            run = int(np.searchsorted(shares, rng.random() * shares[-1]))
            queues[reader] = list(range(first[run], first[run + 1])) * int(
                rng.geometric(1.0 / repeats)
            )
        ids[i] = queues[reader].pop(0)
    return Trace.of(ids)


def with_sizes(trace: Trace, median: float, spread: float, seed: int) -> Trace:
    """The same requests with log-normal object sizes: median in bytes, and standard deviation of
    the logarithm."""
    rng = np.random.default_rng(seed)
    size = (
        np.exp(rng.normal(np.log(median), spread, trace.num_objects))
        .clip(1, 2**24)
        .astype(np.int32)
    )
    return Trace.of(
        trace.obj_id,
        size[trace.obj_id],
        ts=trace.ts,
        op=trace.op,
        client=trace.client,
        cls=trace.cls,
    )


def trace_slice(trace: Trace, begin: int, end: int) -> Trace:
    """Requests `begin` to `end` as a trace of their own."""
    some = slice(begin, end)
    return Trace.of(
        trace.obj_id[some],
        trace.size[some],
        ts=trace.ts[some],
        op=trace.op[some],
        client=trace.client[some],
        cls=trace.cls[some],
    )


def concatenate_traces(*traces: Trace) -> Trace:
    """Traces in a row, with separate objects."""
    first = np.cumsum([0, *(trace.num_objects for trace in traces)])
    columns = {
        name: np.concatenate([getattr(trace, name) for trace in traces])
        for name in ("size", "ts", "op", "client", "cls")
    }
    ids = np.concatenate([trace.obj_id + first[i] for i, trace in enumerate(traces)])
    return Trace.of(ids, columns.pop("size"), **columns)
