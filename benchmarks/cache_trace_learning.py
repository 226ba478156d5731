"""A policy for caches learnt from Belady on some traces, beside classic ones on requests that it
never saw.

    python -m benchmarks.cache_trace_learning [--unit bytes] [--seeds 8] [--more FOLDER] [--only
    nasa ...] [--again]

It learns, by imitation alone, from the first part of the traces in tests/data/cache and from
made-up ones; it is held to the other part (split by time) and to any npz in FOLDER (split by
trace). One policy for all of them and for every capacity, of which it meets 32 to 128 objects only;
another one for capacities in bytes, of which it meets 256 KB to 4 MB. Saved in
results/cache_trace_learning.json and cache_trace_bytes.json: hit ratios, and the share of what
foresight adds to LRU that is `closed`. Rows in which that is below 0.01 say nothing and are left
out.
"""

import argparse
import time
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.record import FOLDER, Results
from benchmarks.synthetic_traces import (
    bursty_trace,
    concatenate_traces,
    drifting_trace,
    recent_trace,
    repeating_trace,
    scanning_trace,
    trace_slice,
    with_sizes,
)
from elsinore.config.load import load_experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.training.layout import layout_for
from elsinore.training.replicas import over_seeds, seed_keys
from elsinore.worlds.cache.trace import Trace, TraceCache, load_trace, replay, zipf_trace

SHIPPED = Path(__file__).resolve().parents[1] / "tests" / "data" / "cache" / "traces"
CAPACITIES = (64, 256, 1_024)
SHARES = (0.01, 0.05, 0.2)  # of the bytes of all objects of a trace
CLASSIC = ("lru", "fifo", "lfu", "sieve", "s3fifo", "gdsf", "belady_bypass")
WORLD = {"decide": "sampled", "candidates": 32}
LEARNT_AT = {"objects": (32, 128), "bytes": (1 << 18, 1 << 22)}  # capacities
MOST_ENTRIES = 512  # while learning, where capacities are in bytes
SETTINGS = {
    "algo": {
        "name": "ppo",
        "num_envs": 2,
        "rollout_length": 32,
        "num_minibatches": 1,
        "network": {"custom": "elsinore.worlds.cache.nets:CandidateScorer"},
    },
    "imitation": {
        "teacher": "belady",
        "loss": "worth",
        "env_steps": 400_000,
        "num_envs": 64,
        "rollout_length": 8,
        "own_share": 1.0,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--unit", choices=LEARNT_AT, default="objects")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument(
        "--more", type=Path, metavar="FOLDER", help="of further traces to be tested on"
    )
    parser.add_argument("--only", nargs="*", help="names of traces")
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    capacities = {"smallest, largest capacity": LEARNT_AT[args.unit]}
    work = {
        "world": WORLD,
        "settings": SETTINGS | capacities,
        "seeds": args.seeds,
        "lessons": lessons(args.unit).num_requests,
    }
    file = {"objects": "cache_trace_learning.json", "bytes": "cache_trace_bytes.json"}[args.unit]
    results = Results(FOLDER / file, work, args.again)
    for test in tests(args.unit, args.more):
        for row in (
            measured(results, test, args.seeds)
            if args.only is None or test.name in args.only
            else ()
        ):
            print(row, flush=True)
    results.save(mean_closed=mean_closed(results.rows))
    print(results.data["mean_closed"])


class Test(NamedTuple):
    """What a policy is held to."""

    name: str
    trace: Trace
    capacity: int
    unit: str


def measured(results: Results, test: Test, seeds: int) -> Iterator[str]:
    """What the policy hits, beside the classic ones; nothing where there is next to nothing to
    be won."""
    what = {"trace": test.name, "capacity": test.capacity}
    ratios = results.measure(partial(classic, test), policy="classic", **what)
    for fallback in (True, False) if ratios["belady_bypass"] - ratios["lru"] >= 0.01 else ():
        yield described(
            results.measure(
                partial(hits, seeds, test, fallback), policy="learnt", fallback=fallback, **what
            ),
            ratios,
        )


def lessons(unit: str) -> Trace:
    """What is learnt from, one trace after another."""
    nasa, zipf, api = (
        load_trace(SHIPPED / f"{name}.npz")
        for name in ("nasa_jul01_10k", "zipf09_seed20240607_200k", "api_sessions_seed21")
    )
    recorded = (
        trace_slice(nasa, 0, 5_000),
        trace_slice(nasa, 0, 5_000),
        trace_slice(zipf, 0, 20_000),
        trace_slice(api, 0, 30_000),
    )
    made_up = (
        zipf_trace(10_000, 1_000, 0.7, 1),
        zipf_trace(10_000, 5_000, 1.1, 2),
        drifting_trace(12_000, 1_000, 0.9, 4_000, 3),
        drifting_trace(12_000, 3_000, 1.0, 12_000, 4),
        recent_trace(12_000, 5_000, 8, 0.1, 5),
        recent_trace(12_000, 5_000, 10, 0.3, 6),
        recent_trace(12_000, 5_000, 7, 0.3, 7),
        bursty_trace(15_000, 8_000, 3, 300, 8),
        bursty_trace(15_000, 20_000, 5, 1_500, 9),
        bursty_trace(15_000, 20_000, 2.5, 100, 10),
        bursty_trace(12_000, 20_000, 4, 30, 11),
        scanning_trace(15_000, 2_000, 300, 0.3, 12),
        repeating_trace(15_000, 800, 8, 2.5, 2, 13),
        repeating_trace(15_000, 400, 25, 2, 3, 14),
        repeating_trace(12_000, 200, 80, 2, 2, 15),
        repeating_trace(12_000, 3_000, 5, 4, 4, 16),
    )
    # of medians from 2 KB to 16 KB, some nearly alike and some of five orders of magnitude
    if unit == "bytes":
        made_up = [
            with_sizes(trace, 2_048 * 2 ** (i % 4), 0.5 * (1 + i % 5), i)
            for i, trace in enumerate(made_up)
        ]
    return concatenate_traces(*recorded, *made_up)


def tests(unit: str, more: Path | None) -> Iterator[Test]:
    """Later requests of the same sources, as if nothing had been before, and other sources.

    In bytes, where the sizes of a trace are known: a capacity is a share of what all its objects
    take.
    """
    later = {
        "nasa_jul01_10k": 5_000,
        "zipf09_seed20240607_200k": 100_000,
        "api_sessions_seed21": 30_000,
    }
    paths = {name: SHIPPED / f"{name}.npz" for name in later}
    paths |= (
        {path.stem: path for path in sorted(more.glob("*.npz")) if path.stem not in later}
        if more
        else {}
    )
    for name, path in paths.items():
        whole = load_trace(path)
        trace = trace_slice(whole, later.get(name, 0), whole.num_requests)
        total = int(whole.object_size.sum(dtype=np.int64))
        for capacity in (
            CAPACITIES if unit == "objects" else [int(share * total) for share in SHARES]
        ):
            if unit == "objects" or total > whole.num_objects:
                yield Test(name, trace, capacity, unit)


def classic(test: Test) -> dict[str, Any]:
    """Hit ratios of the classic policies and of the one that knows the future."""
    ratios = {
        name: replay(test.trace, name, test.capacity, test.unit).hit_ratio for name in CLASSIC
    }
    return {"requests": test.trace.num_requests} | ratios


@cache
def learnt(seeds: int, unit: str) -> tuple[Plan, Any]:
    """The plan, and what acting needs of every seed."""
    smallest, largest = LEARNT_AT[unit]
    slots = None if unit == "objects" else MOST_ENTRIES
    world = TraceCache(lessons(unit), largest, unit, **WORLD, slots=slots)
    settings = SETTINGS | {
        "env_params.smallest_capacity": smallest,
        "seeds": seeds,
        "env_kwargs": dict(WORLD),
    }
    plan = plan_for(load_experiment("Cache-trace", overrides=settings), env=world)
    layout = layout_for(seeds)
    began = time.perf_counter()
    keys = jax.device_put(seed_keys(0, layout.padded), layout.sharding)
    policy_state = jax.device_get(
        over_seeds(lambda key: plan.program.init(key).train.policy_state, layout)(keys)
    )
    print(
        f"{seeds} seeds learnt in {time.perf_counter() - began:.0f} s, compiling included",
        flush=True,
    )
    return plan, policy_state


def hits(seeds: int, test: Test, fallback: bool) -> dict[str, Any]:
    """Every seed's hit ratio on the whole trace, from an empty cache."""
    plan, policy_state = learnt(seeds, test.unit)
    layout = layout_for(seeds)
    env = TraceCache(test.trace, test.capacity, test.unit, **WORLD, fallback=fallback)
    play = over_seeds(
        partial(played, plan.program.algo.policy.act, env, test.trace.num_requests), layout
    )
    counted = np.asarray(play(jax.device_put(policy_state, layout.sharding)))[:seeds]
    return {"hit_ratios": (counted / test.trace.num_requests).tolist()}


def played(act: Any, env: TraceCache, num_requests: int, policy_state: Any) -> jax.Array:
    """The hits of a greedy policy, which is asked only where there is something to decide."""
    params = env.default_params.replace(random_start=False, max_steps_in_episode=num_requests)

    def step(i, carry):
        obs, state = carry
        key = jax.random.fold_in(jax.random.key(1), i)

        def decide():
            return act(key, policy_state, (), obs, True)[0].astype(jnp.int32)

        action = jax.lax.cond(state.pending >= 0, decide, lambda: jnp.int32(0))
        return env.step_env(key, state, action, params)[:2]

    return jax.lax.fori_loop(0, num_requests, step, env.reset_env(jax.random.key(0), params))[
        1
    ].hits


def closed(ratio: float, ratios: dict[str, Any]) -> float:
    """The share of what foresight adds to LRU."""
    return (ratio - ratios["lru"]) / (ratios["belady_bypass"] - ratios["lru"])


def mean_closed(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Over all rows, of each policy; the learnt one with its fallback and without."""
    of = {(row["trace"], row["capacity"]): row for row in rows if row["policy"] == "classic"}
    found: dict[str, list[float]] = {}
    for row in (row for row in rows if row["policy"] == "learnt"):
        ratios = of[row["trace"], row["capacity"]]
        name = "learnt" if row["fallback"] else "learnt, no fallback"
        found.setdefault(name, []).append(closed(float(np.mean(row["hit_ratios"])), ratios))
        for policy in CLASSIC if row["fallback"] else ():
            found.setdefault(policy, []).append(closed(ratios[policy], ratios))
    return {name: round(float(np.mean(values)), 4) for name, values in found.items()}


def described(row: dict[str, Any], ratios: dict[str, Any]) -> str:
    mean, best = float(np.mean(row["hit_ratios"])), max(ratios[name] for name in CLASSIC[:-1])
    line = (
        f"{row['trace']:24} {row['capacity']:5} {'fallback' if row['fallback'] else 'alone   '}:"
        f" {mean:.4f} "
    )
    line += (
        f"({min(row['hit_ratios']):.4f} to {max(row['hit_ratios']):.4f}), closed"
        f" {closed(mean, ratios):+.2f}; "
    )
    line += ", ".join(
        f"{name} {ratios[name]:.4f} ({closed(ratios[name], ratios):+.2f})" for name in CLASSIC
    )
    return f"{line}; to the best {mean - best:+.4f}"


if __name__ == "__main__":
    main()
