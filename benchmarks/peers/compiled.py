"""Time a trainer whose whole run is one compiled JAX program over a batch of seeds."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.peers.work import ProcessClock


class Timing(NamedTuple):
    device: str
    trace_seconds: float
    compile_seconds: float
    run_seconds: list[float]
    process_start_to_done_seconds: float


def time_program(
    train: Callable, seeds: int, repeats: int, clock: ProcessClock, devices: int = 1
) -> tuple[Any, Timing]:
    """Run `train(key)` for every seed in one program; every leaf of the result is [seeds, ...].

    Seeds are vmapped, or with several `devices` each device runs its share one after another
    (`pmap` of `lax.map`), which on a CPU is quicker. One seed is run without either, as its user
    would, and given its axis afterwards.
    """
    key = jax.random.PRNGKey(0)
    keys = key if seeds == 1 else jax.random.split(key, seeds)
    program = jax.jit(train if seeds == 1 else jax.vmap(train))
    if devices > 1:
        keys = keys.reshape(devices, seeds // devices, *key.shape)
        program = jax.pmap(lambda keys: jax.lax.map(train, keys))
    start = time.perf_counter()
    lowered = program.lower(keys)
    traced = time.perf_counter()
    program = lowered.compile()
    compile_seconds = time.perf_counter() - traced
    first, seconds = timed(program, keys)
    done = clock()
    run_seconds = [seconds] + [timed(program, keys)[1] for _ in range(repeats - 1)]
    result = jax.tree.map(lambda x: x[None], first) if seeds == 1 else first
    if devices > 1:
        result = jax.tree.map(lambda x: np.asarray(x).reshape(seeds, *x.shape[2:]), first)
    return result, Timing(jax.default_backend(), traced - start, compile_seconds, run_seconds, done)


def timed(program: Callable, keys: jax.Array) -> tuple[Any, float]:
    start = time.perf_counter()
    result = jax.block_until_ready(program(keys))
    return result, time.perf_counter() - start
