"""The cache environments against recordings; `tests/data/cache/README.md` describes the files."""

import csv
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.cache.api import COUNTERS, ApiCache, ApiCacheParams, recorded_streams
from elsinore.worlds.cache.trace import POLICIES, load_trace, replay

DATA = Path(__file__).resolve().parents[1] / "data" / "cache"

# Cache-api: whatever streams and policies the file holds, replayed action by action.

with np.load(DATA / "env_rollouts.npz", allow_pickle=False) as file:
    ROLLOUTS = dict(file)
RECORDINGS = sorted(name.removesuffix("/actions") for name in ROLLOUTS if name.endswith("/actions"))
STREAMS = sorted({name.partition("/")[0] for name in RECORDINGS})
EXACT = ("counters", "used", "entries")
CLOSE = {"backlog": 1e-5, "obs": 1e-4, "reward": 2e-4}


def under(prefix):
    return {name.removeprefix(prefix): x for name, x in ROLLOUTS.items() if name.startswith(prefix)}


def begun(env, stream, params):
    """First observation and state of the recorded stream of that number."""
    place, request = env.source.at(env.source.first(stream))
    return env.begin(place, request, params)


@pytest.fixture(scope="module")
def replayed():
    """Our replays of every recording, in one program: {recording: {quantity: [time, ...]}}."""
    env, params = (
        ApiCache(recorded_streams(*(under(f"{name}/") for name in STREAMS))),
        ApiCacheParams(),
    )

    def seen(obs, state):
        contents = state.contents
        return {
            "obs": obs,
            "counters": state.counters,
            "used": contents.used,
            "backlog": state.backlog,
            "entries": contents.filled.sum(),
        }

    def step(state, action):
        obs, state, reward, terminated, _ = env.step_env(jax.random.key(0), state, action, params)
        truncated = env.is_truncated(state, params)
        return state, (
            seen(obs, state),
            {"reward": reward, "terminated": terminated, "truncated": truncated},
        )

    @jax.jit
    @jax.vmap
    def replay(stream, actions):
        obs, state = begun(env, stream, params)
        _, (later, steps) = jax.lax.scan(step, state, actions)
        return (
            jax.tree.map(lambda x, xs: jnp.concatenate([x[None], xs]), seen(obs, state), later)
            | steps
        )

    streams = np.array([STREAMS.index(name.partition("/")[0]) for name in RECORDINGS])
    actions = np.stack([ROLLOUTS[f"{name}/actions"] for name in RECORDINGS])
    found = jax.device_get(replay(streams, actions))
    return {name: {what: x[i] for what, x in found.items()} for i, name in enumerate(RECORDINGS)}


each_recording = pytest.mark.parametrize("recording", RECORDINGS)


def test_there_are_recordings():
    assert RECORDINGS


def test_the_counters_are_those_that_were_recorded():
    assert tuple(ROLLOUTS["counter_names"]) == COUNTERS


@each_recording
def test_what_is_counted_is_as_recorded_at_every_step(replayed, recording):
    for what in EXACT:
        ours, truth = replayed[recording][what], ROLLOUTS[f"{recording}/{what}"]
        rows = np.flatnonzero((ours != truth).reshape(len(truth), -1).any(axis=1))
        assert not rows.size, (
            f"{what} differs first in row {rows[0]}: {ours[rows[0]]} against {truth[rows[0]]}"
        )


@each_recording
@pytest.mark.parametrize("what", CLOSE)
def test_what_is_measured_is_as_recorded_at_every_step(replayed, recording, what):
    np.testing.assert_allclose(
        replayed[recording][what], ROLLOUTS[f"{recording}/{what}"], rtol=0, atol=CLOSE[what]
    )


@each_recording
def test_only_the_clock_ends_an_episode(replayed, recording):
    assert not replayed[recording]["terminated"].any()
    assert np.flatnonzero(replayed[recording]["truncated"]).tolist() == [
        ApiCacheParams().max_steps_in_episode - 1
    ]


@pytest.mark.parametrize("name", ["api_endpoints.csv", "api_model.npz"])
def test_the_tables_shipped_are_those_of_the_recordings(name):
    shipped = resources.files("elsinore.worlds.cache") / "data" / name
    assert shipped.read_bytes() == (DATA / name).read_bytes()


# Cache-trace: whichever traces there are, replayed under every policy that the file has exact
# counts of.

with (DATA / "hit_counts.csv").open() as file:
    ROWS = list(csv.DictReader(file))
COUNTED = [row for row in ROWS if row["policy"] in POLICIES]
TRACES = {path.stem: path for path in sorted((DATA / "traces").glob("*.npz"))}
OF_NONE = {"random_mean3", "wtinylfu_w10"}  # counts that no policy of ours has to meet exactly
NOT_HERE = {"mt_orm_busy_600k", "mt_web_jul13", "web_apache_10k"}  # traces that are counted alone
QUICK = 20_000  # requests of a trace that is replayed by default
API_SESSIONS = {  # README.md: (unit, capacity) -> hits
    ("objects", 64): {
        "fifo": 20_782, "lru": 22_622, "lfu": 14_332, "belady": 33_259, "belady_bypass": 33_315,
    },
    ("objects", 256): {
        "fifo": 33_677, "lru": 34_941, "lfu": 27_241, "belady": 43_620, "belady_bypass": 43_627,
    },
    ("bytes", 262_144): {
        "fifo": 15_283, "lru": 16_938, "lfu": 15_089, "gdsf": 20_023, "belady": 27_805,
        "belady_bypass": 28_339,
    },
}  # fmt: skip


def recorded_hits():
    """(trace, policy) of every count, the long traces among the slow tests."""
    requests = {row["trace"]: int(row["requests"]) for row in COUNTED}
    for trace, policy in sorted(
        {(row["trace"], row["policy"]) for row in COUNTED if row["trace"] in TRACES}
    ):
        marks = () if requests[trace] <= QUICK else pytest.mark.slow
        yield pytest.param(trace, policy, marks=marks, id=f"{trace}-{policy}")


def test_every_count_is_compared_but_for_those_named():
    assert {row["policy"] for row in ROWS} - set(POLICIES) == OF_NONE
    assert {row["trace"] for row in ROWS} - set(TRACES) == NOT_HERE


@pytest.mark.parametrize(("name", "policy"), recorded_hits())
def test_a_policy_hits_exactly_as_was_recorded(name, policy):
    trace = load_trace(TRACES[name])
    for row in (row for row in COUNTED if (row["trace"], row["policy"]) == (name, policy)):
        counts = replay(trace, policy, int(row["capacity"]), row["capacity_unit"])
        assert counts.requests == int(row["requests"])
        assert counts.hits == int(row["hits"] or row["libcachesim_hits"]), row
        assert not row["hit_bytes"] or counts.hit_bytes == int(row["hit_bytes"]), row


def test_by_lot_hits_are_about_as_many_as_were_recorded():
    """The mean of three replays with other random numbers, to a hundredth."""
    trace = load_trace(TRACES["nasa_jul01_10k"])
    rows = [
        row for row in ROWS if (row["trace"], row["policy"]) == ("nasa_jul01_10k", "random_mean3")
    ]
    for row in rows:
        counts = replay(trace, "random", int(row["capacity"]), row["capacity_unit"])
        assert counts.hit_ratio == pytest.approx(float(row["hit_ratio"]), abs=0.01), row
    assert rows


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "capacity"), API_SESSIONS)
def test_sessions_of_the_api_hit_exactly_as_was_recorded(unit, capacity):
    trace = load_trace(TRACES["api_sessions_seed21"])
    expected = API_SESSIONS[unit, capacity]
    assert {policy: replay(trace, policy, capacity, unit).hits for policy in expected} == expected
