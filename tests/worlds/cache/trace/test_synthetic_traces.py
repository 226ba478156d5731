"""Synthetic traces have the habits they are made for."""

import numpy as np
import pytest

from benchmarks.synthetic_traces import (
    bursty_trace,
    concatenate_traces,
    drifting_trace,
    recent_trace,
    repeating_trace,
    scanning_trace,
    trace_slice,
)
from elsinore.worlds.cache.trace import replay, stack_distances, zipf_trace

MADE_UP = {
    "drifting": lambda seed: drifting_trace(4_000, 500, 0.9, 1_000, seed),
    "recent": lambda seed: recent_trace(4_000, 1_000, 7, 0.1, seed),
    "bursty": lambda seed: bursty_trace(4_000, 2_000, 3.0, 60, seed),
    "scanning": lambda seed: scanning_trace(4_000, 500, 100, 0.3, seed),
    "repeating": lambda seed: repeating_trace(4_000, 200, 8.0, 2.5, 2, seed),
}


@pytest.mark.parametrize("name", MADE_UP)
def test_a_seed_is_a_trace(name):
    one, same, other = (MADE_UP[name](seed) for seed in (1, 1, 2))
    assert (one.obj_id == same.obj_id).all()
    assert one.num_requests != other.num_requests or (one.obj_id != other.obj_id).any()
    assert 3_000 < one.num_requests <= 4_000


def test_popularity_that_drifts_is_soon_forgotten():
    steady, drifting = (
        drifting_trace(20_000, 500, 0.9, 10**6, 0),
        drifting_trace(20_000, 500, 0.9, 2_000, 0),
    )
    assert steady.num_objects <= 2 * 500 < drifting.num_objects
    assert replay(drifting, "lfu", 50).hits < 0.9 * replay(steady, "lfu", 50).hits


@pytest.mark.parametrize("name", ["recent", "bursty", "repeating"])
def test_what_was_just_used_is_used_again(name):
    trace = MADE_UP[name](0)
    assert replay(trace, "lru", 64).hits > 1.2 * replay(trace, "lfu", 64).hits


def test_stack_distances_are_as_asked():
    distances = stack_distances(recent_trace(8_000, 3_000, 7, 0.0, 0).obj_id)
    assert 24 < np.median(distances[2_000:]) < 40  # 2^7 / 4


def test_runs_are_read_in_a_row():
    trace = scanning_trace(4_000, 500, 100, 0.3, 0)
    assert (np.diff(trace.obj_id) == 1).mean() > 0.2


def test_a_part_is_as_if_nothing_had_been_before():
    whole = zipf_trace(1_000, 100)
    later = trace_slice(whole, 400, 10**9)
    assert later.num_requests == 600 and later.obj_id[0] == 0
    assert (later.size == whole.size[400:]).all()


def test_joined_traces_share_no_object():
    one, other = zipf_trace(500, 50, seed=1), zipf_trace(700, 50, seed=2)
    both = concatenate_traces(one, other)
    assert both.num_objects == one.num_objects + other.num_objects
    assert (trace_slice(both, 500, 1_200).obj_id == other.obj_id).all()
    assert (both.obj_id[:500] == one.obj_id).all()
