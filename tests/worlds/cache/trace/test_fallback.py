"""With a fallback rule, no policy does much worse than the rule, and a better one keeps control."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.synthetic_traces import recent_trace
from elsinore.worlds.cache.trace import TraceCache, replay, zipf_trace
from elsinore.worlds.cache.trace.fallback import FIRST_PAUSE, LONGEST_PAUSE, TRIAL
from elsinore.worlds.cache.trace.slots import EXPERTS
from elsinore.worlds.cache.trace.teacher import belady_teacher

RECENT = recent_trace(12_000, 1_500, 7, 0.1, seed=0)
POPULAR = zipf_trace(12_000, 1_500)
REJECT = len(EXPERTS)
CAPACITY = 40


def played(trace, choose, unit="objects", capacity=CAPACITY, slots=None, fallback=True):
    """The last state, and every step's; `choose(env, params)` makes a function of the state."""
    env = TraceCache(trace, capacity, unit, slots=slots, fallback=fallback)
    params = env.default_params.replace(random_start=False, max_steps_in_episode=10**6)
    policy = choose(env, params)

    def step(state, key):
        state = env.step_env(key, state, policy(state), params)[1]
        return state, state.watch

    start = env.reset_env(jax.random.key(0), params)[1]
    keys = jax.random.split(jax.random.key(1), trace.num_requests)
    return jax.jit(lambda: jax.lax.scan(step, start, keys))()


def always(action):
    return lambda env, params: lambda state: jnp.int32(action)


def belady(env, params):
    teach = belady_teacher(env)
    return lambda state: teach(state, params)[0]


@pytest.fixture(scope="module")
def ruinous():
    return played(RECENT, always(REJECT))


@pytest.mark.slow
def test_who_decides_ruinously_loses_no_more_than_a_few_trials(ruinous):
    state, watches = ruinous
    lost = replay(RECENT, "lru", CAPACITY).hits - int(state.hits)
    trials = int(np.sum(np.diff(np.asarray(watches.pause)) > 0))
    alone = played(RECENT, always(REJECT), fallback=False)[0]
    assert 2 <= trials <= 4  # pauses of 1,024, 2,048, 4,096 and 8,192 are more than the trace
    assert TRIAL < lost <= trials * (TRIAL + 2 * CAPACITY)
    assert int(alone.hits) < int(state.hits) / 2


def test_every_pause_is_twice_the_last(ruinous):
    _, watches = ruinous
    pauses = np.asarray(watches.pause)
    began = pauses[1:][np.diff(pauses) > 0]
    assert began.tolist() == [FIRST_PAUSE * 2**i for i in range(len(began))]
    assert int(watches.next_pause.max()) <= LONGEST_PAUSE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "capacity", "slots", "rule"),
    [("objects", CAPACITY, None, "lru"), ("bytes", 60_000, 100, "gdsf")],
)
def test_the_second_cache_is_the_rule_to_the_hit(unit, capacity, slots, rule):
    """Where the rule decides there is never a difference."""
    _, watches = played(POPULAR, always(EXPERTS.index(rule)), unit, capacity, slots)
    assert (watches.lead == 0).all() and (watches.pause == 0).all()


@pytest.mark.slow
def test_in_bytes_the_rule_takes_over_from_who_turns_everything_away():
    alone, _ = played(POPULAR, always(REJECT), "bytes", 60_000, 100, fallback=False)
    state, watches = played(POPULAR, always(REJECT), "bytes", 60_000, 100)
    trials = int(np.sum(np.diff(np.asarray(watches.pause)) > 0))
    assert trials > 0 and int(alone.hits) < 0.8 * int(state.hits)
    assert int(state.hits) > replay(POPULAR, "lru", 60_000, "bytes").hits


@pytest.mark.slow
def test_who_decides_better_is_never_overruled():
    state, watches = played(POPULAR, belady)
    assert (watches.pause == 0).all() and int(watches.lead[-1]) == TRIAL
    assert int(state.hits) == int(played(POPULAR, belady, fallback=False)[0].hits)
