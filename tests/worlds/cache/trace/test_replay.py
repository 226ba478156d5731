"""Replay under the classic policies: known answers, invariants, and slow reference policies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsinore.worlds.cache.trace import (
    ORACLES,
    POLICIES,
    Trace,
    next_uses,
    replay,
    stack_distances,
    zipf_trace,
)
from tests.worlds.cache.trace.obvious import hits as obvious_hits

REQUESTS, OBJECTS = 120, 24  # one shape, so that each policy is compiled once


@st.composite
def traces(draw):
    """Short traces of all kinds: every object once, so that there are as many in each, then any."""
    rest = draw(
        st.lists(
            st.integers(0, OBJECTS - 1), min_size=REQUESTS - OBJECTS, max_size=REQUESTS - OBJECTS
        )
    )
    order = draw(st.permutations([*range(OBJECTS), *rest]))
    sizes = np.array(draw(st.lists(st.integers(1, 40), min_size=OBJECTS, max_size=OBJECTS)))
    return Trace.of(order, sizes[order])


def test_the_first_request_of_each_object_misses_and_the_rest_hit_where_all_fit():
    trace = Trace.of([0, 1, 0, 2, 1, 0])
    for policy in ("lru", "belady"):
        assert replay(trace, policy, 3).hits == 3


def test_what_was_used_longest_ago_leaves_an_lru_cache():
    assert replay(Trace.of([0, 1, 0, 2, 0, 1]), "lru", 2).hits == 2  # 2 takes the place of 1
    assert replay(Trace.of([0, 1, 0, 2, 0, 1]), "fifo", 2).hits == 1  # and here that of 0


def test_an_oracle_keeps_what_is_asked_for_next_and_may_turn_away_what_never_is():
    trace = Trace.of([0, 1, 2, 0, 1])
    assert replay(trace, "belady", 2).hits == 1
    assert replay(trace, "belady_bypass", 2).hits == 2


def test_hits_in_bytes_are_counted_in_bytes():
    counts = replay(Trace.of([0, 1, 0, 2, 2], [5, 7, 5, 9, 9]), "lru", 21, unit="bytes")
    assert counts == (5, 2, 35, 14)


def test_an_object_larger_than_the_cache_is_never_stored():
    counts = replay(Trace.of([0, 1, 1, 0], [2, 9, 9, 2]), "lru", 3, unit="bytes")
    assert counts.hits == 1


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=15)
@given(
    trace=traces(),
    capacity=st.integers(1, 30),
    unit=st.sampled_from(["objects", "bytes"]),
    scale=st.integers(1, 12),
)
def test_a_policy_hits_as_its_obvious_form_does(policy, trace, capacity, unit, scale):
    weights = trace.weights(unit)
    capacity = capacity if unit == "objects" else max(capacity * scale, int(weights.min()))
    counts = replay(trace, policy, capacity, unit)
    assert (counts.hits, counts.hit_bytes) == obvious_hits(
        policy, trace.obj_id.tolist(), weights.tolist(), capacity
    )


@settings(max_examples=10)
@given(trace=traces(), capacity=st.integers(10, OBJECTS))
def test_in_objects_no_policy_hits_more_than_belady_with_bypass(trace, capacity):
    most = replay(trace, "belady_bypass", capacity).hits
    assert all(
        replay(trace, policy, capacity).hits <= most for policy in POLICIES if policy not in ORACLES
    )
    assert replay(trace, "belady", capacity).hits <= most


SOME = zipf_trace(3_000, 400)


def test_stack_distances_give_lru_hits_at_every_capacity():
    capacities = [1, 2, 3, 5, 10, 50, 100, 399]
    distance = stack_distances(SOME.obj_id)
    at_once = replay(SOME, "lru", capacities)
    assert [counts.hits for counts in at_once] == [int((distance < c).sum()) for c in capacities]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_a_stack_distance_is_the_number_of_other_objects_since(ids):
    trace = Trace.of(ids)
    for i, distance in enumerate(stack_distances(trace.obj_id)):
        before = np.flatnonzero(trace.obj_id[:i] == trace.obj_id[i])
        assert distance == (len(set(trace.obj_id[before[-1] + 1 : i])) if before.size else 1 << 30)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_the_next_use_is_the_next_index_of_the_same_object(ids):
    following = next_uses(np.array(ids)).tolist()
    assert following == [
        ids.index(x, i + 1) if x in ids[i + 1 :] else 1 << 30 for i, x in enumerate(ids)
    ]


@pytest.mark.parametrize(
    "policy",
    ["lru", *(pytest.param(x, marks=pytest.mark.slow) for x in ("s3fifo", "belady_bypass"))],
)
def test_a_trace_in_pieces_replays_as_it_does_whole(policy):
    assert replay(SOME, policy, 5_000, "bytes", piece=700) == replay(SOME, policy, 5_000, "bytes")


@pytest.mark.parametrize(
    "policy",
    [
        "sieve",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("s3fifo", "gdsf", "belady_bypass")),
    ],
)
def test_many_capacities_at_once_hit_as_each_does_alone(policy):
    capacities = [500, 20_000, 100_000]
    assert replay(SOME, policy, capacities, "bytes") == [
        replay(SOME, policy, c, "bytes") for c in capacities
    ]


# Mistakes


@pytest.mark.parametrize(
    ("wrong", "right"), [("lrv", "lru"), ("s3-fifo", "s3fifo"), ("beladi", "belady")]
)
def test_an_unknown_policy_is_refused_with_the_closest(wrong, right):
    with pytest.raises(ValueError, match=f"policy='{wrong}' is unknown; did you mean '{right}'"):
        replay(SOME, wrong, 10)


def test_a_capacity_in_which_nothing_fits_is_refused():
    with pytest.raises(
        ValueError,
        match=r"capacity=63 \(bytes\) holds nothing .* from 64 bytes, the smallest object",
    ):
        replay(Trace.of([0, 1], [64, 100]), "lru", 63, "bytes")
    with pytest.raises(ValueError, match=r"capacity=0 \(objects\) holds nothing .* from 1 object"):
        replay(SOME, "lru", 0)


@pytest.mark.parametrize("capacity", [2**59 + 1, 10**20, [64, 10**20]])
def test_a_capacity_beyond_every_cache_is_refused(capacity):
    with pytest.raises(ValueError, match=r"\(bytes\) is beyond .* of at most 576460752303423488"):
        replay(Trace.of([0, 1], [64, 100]), "lru", capacity, "bytes")


def test_the_largest_capacity_holds_everything():
    assert replay(Trace.of([0, 1, 0]), "s3fifo", 2**59).hits == 1


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit='kb' is unknown; choose objects or bytes"):
        replay(SOME, "lru", 10, "kb")
