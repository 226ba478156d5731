"""The rules of the API cache: invariants of every episode, and agreement with plainly written
rules."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsinore.worlds.cache.api import COUNTERS, ApiCacheParams
from elsinore.worlds.cache.api.tables import SLOTS, api_tables
from tests.worlds.cache.api.episodes import always, played, random_actions, rows_of
from tests.worlds.cache.api.replica import Replica

seeds = st.integers(0, 10**6)
# Small and large caches (the large one runs out of slots first), slow backends (cascades), short
# lives.
worlds = st.fixed_dictionaries(
    {
        "capacity": st.sampled_from([1, 20_000, 100_000, 262_144, 4_000_000]),
        "drain": st.sampled_from([0.1, 0.25, 1.0]),
        "ttl_scale": st.sampled_from([0.05, 1.0, 10.0]),
    }
)
# Whole episodes of one habit reach what random actions do not: everything pinned, everything
# prefetched.
habits = st.lists(st.sampled_from(range(7)), min_size=1, max_size=3)


def actions_of(seed, habit):
    return np.random.default_rng(seed).choice(habit, 512)


def check_agreement(seed, actions, **numbers):
    rows, ours = rows_of(seed), played(seed, actions, **numbers)
    plain = Replica(rows, ApiCacheParams(**numbers))
    for t in range(len(actions) + 1):
        if t:
            assert plain.step(int(actions[t - 1])) == pytest.approx(ours.reward[t - 1], abs=5e-4), t
        assert dict(zip(COUNTERS, ours.state.counters[t].tolist(), strict=True)) == {
            name: plain.counters[name] for name in COUNTERS
        }, t
        contents = ours.state.contents
        assert set(contents.id[t][contents.id[t] >= 0].tolist()) == set(map(int, plain.kept)), t
        assert contents.used[t] == plain.used
        assert ours.state.backlog[t] == pytest.approx(plain.backlog, abs=1e-4)


@settings(max_examples=8)
@given(seeds, habits, worlds)
def test_it_does_what_plain_rules_do(seed, habit, numbers):
    check_agreement(seed, actions_of(seed, habit), **numbers)


@pytest.mark.slow
@settings(max_examples=500)
@given(seeds, habits, worlds)
def test_it_does_what_plain_rules_do_in_many_worlds(seed, habit, numbers):
    check_agreement(seed, actions_of(seed, habit), **numbers)


def test_the_comparison_reaches_full_slots_and_cascades():
    crowded = played(0, always(4), capacity=4_000_000, ttl_scale=10.0, drain=0.1)
    assert crowded.state.contents.filled.sum(axis=1).max() == SLOTS
    assert crowded.state.counters[-1][COUNTERS.index("casc")] > 10
    assert crowded.state.counters[-1][COUNTERS.index("ev")] > 100  # of slots, not of bytes:
    assert crowded.state.contents.used.max() < 4_000_000


@settings(max_examples=10)
@given(seeds, worlds)
def test_the_books_balance(seed, numbers):
    episode = played(seed, random_actions(seed), **numbers)
    contents, counters = (
        episode.state.contents,
        dict(zip(COUNTERS, episode.state.counters.T, strict=True)),
    )
    filled = contents.id >= 0
    np.testing.assert_array_equal(
        contents.used, np.where(filled, api_tables().object_size[contents.id], 0).sum(axis=1)
    )
    assert (contents.used <= numbers["capacity"]).all()
    assert (counters["hit"] <= counters["read"]).all()
    assert (counters["hb"] <= counters["rb"]).all()
    unused = (contents.unused & filled).sum(axis=1)
    np.testing.assert_array_equal(counters["pf"], counters["pfu"] + counters["pfw"] + unused)
    for ids in contents.id:
        ids = ids[ids >= 0]
        assert len(set(ids)) == len(ids)
    assert (np.abs(episode.reward) <= 10).all()


@settings(max_examples=10)
@given(seeds, st.sampled_from([50_000, 262_144]))
def test_who_does_nothing_has_an_lru_cache_whose_answers_expire(seed, capacity):
    rows, episode, table = rows_of(seed), played(seed, always(0), capacity=capacity), api_tables()
    cache, hits = OrderedDict(), []  # object -> when it was fetched, least recent first
    for obj, now, write, invalid in zip(
        rows.obj_id, rows.time, rows.write, rows.invalidates, strict=True
    ):
        for old in [
            o for o, born in cache.items() if now - born >= table.ttl[table.object_endpoint[o]]
        ]:
            del cache[old]
        hits.append(obj in cache and not write)
        if write:
            for old in invalid:
                cache.pop(old, None)
        if write or table.object_size[obj] > capacity:
            continue
        cache.setdefault(obj, now)
        cache.move_to_end(obj)
        while sum(table.object_size[o] for o in cache) > capacity:
            cache.popitem(last=False)
    np.testing.assert_array_equal(episode.state.hit, hits)


@settings(max_examples=5)
@given(seeds)
def test_a_cache_of_one_byte_never_hits(seed):
    counters = played(seed, random_actions(seed), capacity=1).state.counters[-1]
    assert (
        counters[COUNTERS.index("hit")]
        == counters[COUNTERS.index("pf")]
        == counters[COUNTERS.index("ev")]
        == 0
    )


def test_a_faster_backend_has_no_cascades_and_pays_more():
    slow, fast = (played(1, always(4), drain=drain) for drain in (0.25, 100.0))
    casc = COUNTERS.index("casc")
    assert slow.state.counters[-1][casc] > 0 == fast.state.counters[-1][casc]
    assert fast.reward.sum() > slow.reward.sum()
