"""LRU replay of a million requests beside libCacheSim or cachetools on one core, and 64 capacities
at once.

    python -m benchmarks.cache_replay [--requests 1000000] [--objects 100000] [--capacity 10000]
    [--lanes 64] [--again]

The trace is made up (Zipf, exponent 0.9). Each program replays it three times after a first that
compiles; the best counts, in seconds of the processor, which other programs on the machine disturb
least. Hits must agree. Then LRU and GDSF on more and more objects: what a request costs must not
grow with their number. Saved in results/cache_replay.json.
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.record import FOLDER, Results

OBJECTS = (1_000, 10_000, 100_000, 1_000_000)  # of the replays that must cost the same


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--capacity", type=int, default=10_000)
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument(
        "--lane-requests", type=int, default=20_000, help="requests of the replay of all lanes"
    )
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core
    work = {name: value for name, value in vars(args).items() if name != "again"}
    results = Results(FOLDER / "cache_replay.json", work, args.again)
    for program, measure in (programs(args) | growing(args)).items():
        row = results.measure(measure, program=program)
        print(
            f"{program}: {row['requests_per_second']:,} requests/s, {row['hits']:,} hits",
            flush=True,
        )
    agree({row["program"]: row["hits"] for row in results.rows}, args)


def programs(args: argparse.Namespace) -> dict[str, Callable[[], dict]]:
    """Who replays, and how it is measured."""
    from elsinore.worlds.cache.trace import replay, stack_distances, zipf_trace

    trace, short = (
        zipf_trace(args.requests, args.objects),
        zipf_trace(args.lane_requests, args.objects),
    )
    capacities = np.linspace(10, args.capacity, args.lanes).astype(int).tolist()
    ours = {
        "elsinore, lru": lambda: replay(trace, "lru", args.capacity).hits,
        "elsinore, every capacity (stack distances)": lambda: int(
            (stack_distances(trace.obj_id) < args.capacity).sum()
        ),
        f"elsinore, lru at {args.lanes} capacities at once": lambda: sum(
            counts.hits for counts in replay(short, "lru", capacities)
        ),
        f"elsinore, lru at {args.lanes} capacities in turn": lambda: sum(
            replay(short, "lru", capacity).hits for capacity in capacities
        ),
    }
    lanes = args.lanes * args.lane_requests
    found = {
        name: partial(timed, run, lanes if str(args.lanes) in name else args.requests)
        for name, run in ours.items()
    }
    if importlib.util.find_spec("libcachesim"):
        found["libCacheSim, lru"] = lambda: libcachesim_lru(trace, args.capacity)
    if importlib.util.find_spec("cachetools"):
        ids = trace.obj_id.tolist()
        found["cachetools, lru"] = partial(
            timed, lambda: cachetools_lru(ids, args.capacity), args.requests, 1
        )
    return found


def growing(args: argparse.Namespace) -> dict[str, Callable[[], dict]]:
    """One capacity, and more and more objects."""
    from elsinore.worlds.cache.trace import replay, zipf_trace

    def measure(policy: str, objects: int) -> dict:
        trace = zipf_trace(args.requests // 4, objects)
        return timed(lambda: replay(trace, policy, 500).hits, trace.num_requests)

    return {
        f"elsinore, {policy} of {objects:,} objects, capacity 500": partial(
            measure, policy, objects
        )
        for policy in ("lru", "gdsf")
        for objects in OBJECTS
    }


def agree(hits: dict[str, int], args: argparse.Namespace) -> None:
    """Refuse figures of programs that do not count the same."""
    whole = {
        name: count
        for name, count in hits.items()
        if "objects" not in name and str(args.lanes) not in name
    }
    lanes = {
        name: count
        for name, count in hits.items()
        if str(args.lanes) in name and "objects" not in name
    }
    for counts in (whole, lanes):
        if len(set(counts.values())) > 1:
            raise SystemExit(f"the hits must agree: {counts}")


def timed(replayed: Callable[[], int], requests: int, repeats: int = 3) -> dict:
    """Seconds of the processor in the best of some repeats after a first, and the hits."""
    hits, times = replayed(), []
    for _ in range(repeats):
        begun = time.process_time()
        hits = replayed()
        times.append(time.process_time() - begun)
    return {
        "seconds": round(min(times), 4),
        "requests_per_second": round(requests / min(times)),
        "hits": hits,
    }


def libcachesim_lru(trace, capacity: int) -> dict:
    """The same by libCacheSim, which reads its own format from a file mapped into memory."""
    from elsinore.worlds.cache.traces.simulator import hits_of_file, oracle_general_rows

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.oracleGeneral.bin"
        oracle_general_rows(trace, "objects").tofile(path)
        return timed(
            lambda: hits_of_file(path, "lru", capacity, trace.num_requests), trace.num_requests
        )


def cachetools_lru(ids: list[int], capacity: int) -> int:
    from cachetools import LRUCache

    cache, hits = LRUCache(capacity), 0
    for obj in ids:
        if obj in cache:
            hits += 1
            cache[obj]  # a use
        else:
            cache[obj] = True
    return hits


if __name__ == "__main__":
    main()
