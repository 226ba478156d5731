"""Cache-trace: a constant action is a classic policy, and observations use the past only."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.checks.env import check_env
from elsinore.envs import make
from elsinore.worlds.cache.trace import Trace, TraceCache, load_trace, replay, zipf_trace
from elsinore.worlds.cache.trace.env import PAGE
from elsinore.worlds.cache.trace.slots import EXPERTS

NASA = Path(__file__).resolve().parents[3] / "data" / "cache" / "traces" / "nasa_jul01_10k.npz"
SOME = zipf_trace(1_500, 200)
REJECT = len(EXPERTS)


def from_the_start(env, **changes):
    return env.default_params.replace(random_start=False, max_steps_in_episode=10**6, **changes)


@partial(jax.jit, static_argnums=(0, 3))
def played(env, params, action, num_steps):
    """The last state after `num_steps` of one action, and every step's observation, reward and
    info."""

    def step(state, key):
        obs, state, reward, terminated, info = env.step_env(key, state, action, params)
        return state, (obs, reward, terminated, info)

    start = env.reset_env(jax.random.key(0), params)[1]
    return jax.lax.scan(step, start, jax.random.split(jax.random.key(1), num_steps))


@pytest.fixture(scope="module")
def in_objects():
    return TraceCache(SOME, capacity=20)


@pytest.fixture(scope="module")
def in_bytes():
    return TraceCache(SOME, capacity=60_000, unit="bytes", slots=100)


@pytest.mark.parametrize(
    "decide",
    ["experts", *(pytest.param(x, marks=pytest.mark.slow) for x in ("sampled", "admission"))],
)
@pytest.mark.slow
def test_it_passes_every_check(decide):
    unit, capacity = ("bytes", 100_000) if decide == "sampled" else ("objects", 32)
    env = TraceCache(SOME, capacity, unit, decide, slots=48)
    params = env.default_params.replace(max_steps_in_episode=200)
    assert [result for result in check_env(env, params, num_steps=200) if not result.passed] == []


def test_it_is_made_by_its_name():
    env, params = make("Cache-trace", {"trace": str(NASA), "capacity": 16}, {"hit_weight": 2.0})
    assert (env.num_requests, env.slots, params.capacity, params.hit_weight) == (9_985, 16, 16, 2.0)


def test_the_bytes_of_many_large_hits_are_counted_exactly():
    env = TraceCache(Trace.of(np.zeros(3, int), 2_000_000_000), 2_000_000_000, "bytes")
    _, state = env.reset_env(jax.random.key(0), env.default_params)
    hits = 5_000  # 10 TB, more than 2^31 pages of 4 KiB
    state = jax.jit(
        lambda state: jax.lax.fori_loop(
            0, hits, lambda _, s: env.counted(s, jnp.int32(0), jnp.bool_(True)), state
        )
    )(state)
    assert int(state.hit_pages) * PAGE + int(state.hit_rest) == hits * 2_000_000_000


@pytest.mark.parametrize("unit", ["objects", "bytes"])
@pytest.mark.parametrize("policy", ["lru", "fifo", "lfu", "size", "gdsf"])
def test_an_expert_who_always_evicts_is_that_policy(policy, unit, in_objects, in_bytes):
    env = in_objects if unit == "objects" else in_bytes
    state, (_, reward, terminated, _) = played(
        env, from_the_start(env), EXPERTS.index(policy), env.num_requests
    )
    counts = replay(SOME, policy, env.capacity, unit)
    assert int(state.hits) == int(reward.sum()) == counts.hits
    assert int(state.hit_pages) * PAGE + int(state.hit_rest) == counts.hit_bytes
    assert not terminated.any()
    assert env.is_truncated(state, from_the_start(env))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "capacity"), [("objects", 256), ("bytes", 382_967), ("bytes", 1_914_837)]
)
def test_experts_hit_a_recorded_trace_exactly(unit, capacity):
    with jax.enable_x64(True):
        env = TraceCache(str(NASA), capacity, unit)
        for action, policy in enumerate(EXPERTS[:5]):
            state, _ = played(env, from_the_start(env), action, env.num_requests)
            assert int(state.hits) == replay(load_trace(NASA), policy, capacity, unit).hits, policy


def test_capacity_is_a_number_that_changes_without_compiling(in_objects):
    for capacity in (5, 12):
        state, _ = played(
            in_objects, from_the_start(in_objects, capacity=capacity), 0, in_objects.num_requests
        )
        assert int(state.hits) == replay(SOME, "lru", capacity).hits


def test_who_turns_everything_away_keeps_what_came_first(in_objects):
    state, _ = played(in_objects, from_the_start(in_objects), REJECT, in_objects.num_requests)
    assert int(state.hits) == int((SOME.obj_id < 20).sum()) - 20
    assert set(np.asarray(state.slots.obj)) == set(range(20))


def test_admitting_always_is_lru():
    env = TraceCache(SOME, 20, decide="admission")
    state, _ = played(env, from_the_start(env), 0, env.num_requests)
    assert int(state.hits) == replay(SOME, "lru", 20).hits


def test_the_candidate_that_is_chosen_leaves():
    env = TraceCache(SOME, 20, decide="sampled", candidates=4)
    params, step = from_the_start(env), jax.jit(env.step_env)
    state = env.reset_env(jax.random.key(0), params)[1]
    while not (int(state.pending) >= 0 and state.slots.filled.all()):
        state = step(jax.random.key(3), state, 0, params)[1]
    lots = jnp.arange(20) / 20.0  # the lot decides: candidates are slots 19, 18, 17, 16
    state = state.replace(slots=state.slots.replace(draw=lots.astype(jnp.float32)))
    after = step(jax.random.key(4), state, 2, params)[1]
    left = set(np.asarray(state.slots.obj).tolist()) - set(np.asarray(after.slots.obj).tolist())
    assert left == {int(state.slots.obj[17])}


def test_capacity_is_never_exceeded_and_no_object_is_cached_twice(in_bytes):
    params, key = from_the_start(in_bytes), jax.random.key(7)

    def step(state, key):
        act_key, env_key = jax.random.split(key)
        action = jax.random.randint(act_key, (), 0, 7)
        state = in_bytes.step_env(env_key, state, action, params)[1]
        obj = jnp.sort(jnp.where(state.slots.filled, state.slots.obj, -jnp.arange(obj_count) - 1))
        return state, (state.slots.used, (obj[1:] == obj[:-1]).any())

    obj_count = in_bytes.slots
    run = jax.jit(
        lambda: jax.lax.scan(step, in_bytes.reset_env(key, params)[1], jax.random.split(key, 1_500))
    )
    _, (used, twice) = run()
    assert used.max() <= 60_000 and used.max() > 40_000
    assert not twice.any()


def test_rewards_are_weighted_by_bytes_and_by_time_saved(in_objects):
    params = from_the_start(in_objects, hit_weight=0.0, byte_weight=1.0)
    _, (_, reward, _, info) = played(in_objects, params, 0, in_objects.num_requests)
    assert np.allclose(reward, info["hit"] * SOME.size / SOME.size.mean(), rtol=1e-5)
    params = from_the_start(in_objects, hit_weight=0.0, latency_weight=2.0, fixed_ms=0.0)
    _, (_, reward, _, info) = played(in_objects, params, 0, in_objects.num_requests)
    assert np.allclose(reward, 2.0 * info["hit"] * SOME.size / SOME.size.mean(), rtol=1e-5)


def test_an_episode_ends_with_its_horizon_or_with_the_trace(in_objects):
    params = in_objects.default_params.replace(max_steps_in_episode=50)
    start = jax.jit(jax.vmap(lambda key: in_objects.reset_env(key, params)[1].request))
    starts = start(jax.random.split(jax.random.key(0), 500))
    assert starts.min() >= 0 and starts.max() <= 1_450 and len(set(starts.tolist())) > 300
    state = jax.jit(in_objects.reset_env)(jax.random.key(0), params)[1]
    assert not in_objects.is_truncated(state.replace(time=49), params)
    assert in_objects.is_truncated(state.replace(time=50), params)
    assert in_objects.is_truncated(state.replace(request=1_500), params)


def test_what_is_seen_does_not_know_the_future():
    past = SOME.obj_id[:400]
    futures = [np.concatenate([past, rest]) for rest in (SOME.obj_id[400:500], np.zeros(100, int))]
    size = SOME.object_size
    seen = [
        played(
            TraceCache(Trace.of(ids, size[ids]), 20), from_the_start(TraceCache(SOME, 20)), 0, 400
        )[1][0]
        for ids in futures
    ]
    assert (seen[0] == seen[1]).all()


def test_the_pending_object_is_described_by_its_past():
    trace = Trace.of([0, 1, 2, 1, 0, 0], [10, 20, 30, 20, 10, 10], cls=[3, 4, 5, 4, 3, 3])
    env = TraceCache(trace, 1)
    params = from_the_start(env)
    obs = played(env, params, 0, 6)[1][0]
    ln = np.log1p
    # object 0 at request 4: once before, 4 requests ago
    wanted = [ln(10) / 20, ln(1) / 12, ln(4) / 14, 1.0, 3 / 32]
    assert np.allclose(obs[4, :5], wanted, atol=1e-6)
    assert obs[4, 5:7].tolist() == [1.0, 1.0]  # one object in a cache of one
    assert obs[5, :5].tolist() == [0.0] * 5  # then it is stored, and hit
    victim = obs[4, 12:20]  # object 1, at request 3 for the second time
    assert np.allclose(
        victim,
        [ln(2) / 14, ln(2) / 14, ln(1) / 8, ln(20) / 20, ln(2) / 12, ln(2) / 14, 4 / 32, 0.0],
    )


def test_a_trace_of_many_classes_is_seen_within_the_bounds():
    ids = np.arange(300) % 150
    env = TraceCache(Trace.of(ids, cls=ids * 200), 4)
    params = from_the_start(env)
    obs = played(env, params, 0, 300)[1][0]
    assert all(env.observation_space(params).contains(each) for each in obs[::50])
    assert obs.max() == 2.0  # as of every class from 64 on


# Mistakes


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"capacity": 0}, r"capacity=0 \(objects\) holds nothing"),
        ({"unit": "kb"}, "unit='kb' is unknown"),
        (
            {"decide": "random"},
            "decide='random' is unknown; choose one of experts, sampled, admission",
        ),
        ({"decide": "sampled", "candidates": 65}, "candidates=65 must be 1 to 64, the slots"),
        ({"slots": 0}, "slots=0 must be at least 1"),
        ({"trace": "nowhere.npz"}, "trace='nowhere.npz' does not exist"),
    ],
)
def test_a_world_that_cannot_be_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make("Cache-trace", kwargs)


def test_a_capacity_of_more_objects_than_slots_is_refused():
    make("Cache-trace", {"capacity": 64}, {"capacity": 64})
    with pytest.raises(ValueError, match=r"capacity=65 is more than the 64 objects .*env_kwargs"):
        make("Cache-trace", {"capacity": 64}, {"capacity": 65})
    make("Cache-trace", {"capacity": 10**5, "unit": "bytes"}, {"capacity": 10**6})
    few = Trace.of(np.arange(100) % 40)  # 40 objects take 40 slots of a cache for 64
    make("Cache-trace", {"trace": few, "capacity": 64}, {"random_start": False})
    with pytest.raises(ValueError, match=r"capacity=64 is more than the 32 objects"):
        make("Cache-trace", {"slots": 32}, {"capacity": 64})
    make("Cache-trace", {"capacity": 64, "slots": 128}, {"capacity": 100})
    assert make("Cache-trace", {"slots": 32}, {"hit_weight": 2.0})[1].capacity == 32


def test_capacities_are_drawn_for_each_episode(in_objects):
    params = in_objects.default_params.replace(smallest_capacity=5)
    reset = jax.jit(jax.vmap(lambda key: in_objects.reset_env(key, params)[1].capacity))
    drawn = np.asarray(reset(jax.random.split(jax.random.key(0), 400)))
    assert (drawn.min(), drawn.max()) == (5, 20)
    # by its logarithm: from 5 to 10 as likely as from 10 to 20
    assert 0.4 < (drawn <= 10).mean() < 0.65
    assert int(in_objects.reset_env(jax.random.key(0), in_objects.default_params)[1].capacity) == 20
