"""Traces that are made up, of the habits that recorded ones have: what is popular, what was just used, what is scanned.

A policy that is to serve traces it has never seen must have met more than one kind. `joined` puts several one after
another, to be learnt from together.
"""

import numpy as np

from elsinore.envs.cache.trace.recording import Trace, zipf_trace


def drifting_trace(num_requests: int, num_objects: int, exponent: float, lifetime: int, seed: int) -> Trace:
    """Zipf's popularity, but every `lifetime` requests (about) an object gives its rank to one never seen before."""
    rng = np.random.default_rng(seed)
    shares = np.cumsum(np.arange(1, num_objects + 1) ** -exponent)
    rank = np.searchsorted(shares, rng.random(num_requests) * shares[-1])
    phase = rng.integers(0, lifetime, num_objects)  # ranks change hands at different times
    holder = (np.arange(num_requests) + phase[rank]) // lifetime
    return Trace.of(rank + holder * num_objects)


def recent_trace(num_requests: int, num_objects: int, spread: float, fresh: float, seed: int) -> Trace:
    """What was used last is likeliest to be used again: the stack distance is log-normal, of median 2^spread / 4.

    A share `fresh` of the requests is for what was used longest ago, or never.
    """
    rng = np.random.default_rng(seed)
    distance = np.exp(rng.normal(np.log(2.0**spread / 4), 1.5, num_requests)).astype(int)
    stack, ids = list(range(num_objects)), np.empty(num_requests, np.int64)
    for i, new in enumerate(rng.random(num_requests) < fresh):
        ids[i] = stack.pop(len(stack) - 1 if new else min(distance[i], len(stack) - 1))
        stack.insert(0, ids[i])
    return Trace.of(ids)


def bursty_trace(num_requests: int, num_objects: int, uses: float, length: int, seed: int) -> Trace:
    """Each object is asked for `uses` times or so within `length` requests or so, and then not for long."""
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
    """Zipf's popularity, in which runs of `run` objects in a row, seldom the same, take a share of the requests."""
    rng = np.random.default_rng(seed)
    ids = zipf_trace(num_requests, num_objects, 0.9, seed).obj_id.astype(np.int64)
    for begin in range(0, num_requests - run, int(run / share)):
        first = num_objects + run * rng.integers(0, 20)
        ids[begin : begin + run] = first + np.arange(run)
    return Trace.of(ids)


def repeating_trace(num_requests: int, num_runs: int, length: float, repeats: float, readers: int, seed: int) -> Trace:
    """Runs of `length` objects or so are read from end to end, `repeats` times or so, by several readers in turn.

    Which run a reader takes next is of Zipf's popularity, exponent 0.5.
    """
    rng = np.random.default_rng(seed)
    first = np.cumsum(rng.geometric(1.0 / length, num_runs + 1))
    shares = np.cumsum(np.arange(1, num_runs + 1) ** -0.5)
    queues: list[list[int]] = [[] for _ in range(readers)]
    ids = np.empty(num_requests, np.int64)
    for i, reader in enumerate(rng.integers(0, readers, num_requests)):
        if not queues[reader]:
            run = int(np.searchsorted(shares, rng.random() * shares[-1]))
            queues[reader] = list(range(first[run], first[run + 1])) * int(rng.geometric(1.0 / repeats))
        ids[i] = queues[reader].pop(0)
    return Trace.of(ids)


def sized(trace: Trace, median: float, spread: float, seed: int) -> Trace:
    """The same requests for objects of log-normal sizes: their median in bytes, and the deviation of its logarithm."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(np.log(median), spread, trace.num_objects)).clip(1, 2**24).astype(np.int32)
    return Trace.of(trace.obj_id, size[trace.obj_id], ts=trace.ts, op=trace.op, client=trace.client, cls=trace.cls)


def part(trace: Trace, begin: int, end: int) -> Trace:
    """Requests `begin` to `end`, as if nothing had been before them."""
    some = slice(begin, end)
    return Trace.of(trace.obj_id[some], trace.size[some], ts=trace.ts[some], op=trace.op[some],
                    client=trace.client[some], cls=trace.cls[some])  # fmt: skip


def joined(*traces: Trace) -> Trace:
    """One after another; no object of one is in another."""
    first = np.cumsum([0, *(trace.num_objects for trace in traces)])
    columns = {name: np.concatenate([getattr(trace, name) for trace in traces])
               for name in ("size", "ts", "op", "client", "cls")}  # fmt: skip
    ids = np.concatenate([trace.obj_id + first[i] for i, trace in enumerate(traces)])
    return Trace.of(ids, columns.pop("size"), **columns)
