"""Belady as a teacher with object sizes: evict the object that takes the most room until its next
hit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.worlds.cache.trace import Trace, TraceCache, replay, zipf_trace
from elsinore.worlds.cache.trace.teacher import belady_teacher, burden, occupancy_until_use

# a: 100 bytes, again after 4 requests; b: 1 byte, after 5; c: 50 bytes, after 3; then d wants room
IDS = list("abcdacbbbb")
SIZES = {"a": 100, "b": 1, "c": 50, "d": 20}
SHORT = Trace.of(IDS, [SIZES[one] for one in IDS])


def pending(env, params):
    """The state in which d, and no other before, waits for room."""
    state = env.reset_env(jax.random.key(0), params)[1]
    for time in range(4):
        state = env.step_env(jax.random.key(time), state, 0, params)[1]
    assert int(state.pending) == 3
    return state


def test_what_takes_most_room_until_its_next_use_goes_first():
    env = TraceCache(SHORT, 160, "bytes", "sampled", candidates=3, slots=3)
    params = env.default_params.replace(random_start=False)
    state = pending(env, params)
    action, matters, worth = belady_teacher(env)(state, params)
    which, _ = env.decision.shown(state.slots, 3)
    held = ["abc"[int(obj)] for obj in np.asarray(state.slots.obj)[np.asarray(which)]]
    assert bool(matters)
    # d is never asked for again: it is turned away, though a and c are larger
    assert int(action) == 3
    ahead = {"a": 0, "c": 1, "b": 2}  # requests from the next one, the fourth, until each is used
    expected = [ahead[one] * SIZES[one] / (160 + ahead[one] * SIZES[one]) for one in held]
    np.testing.assert_allclose(worth[:3], expected, rtol=1e-6)
    assert worth[3] > 0.999


def test_a_burden_is_a_half_where_the_whole_cache_is_taken_for_one_request():
    assert float(burden(occupancy_until_use(jnp.int32(1), jnp.int32(64)), jnp.int32(64))) == 0.5


@pytest.mark.slow
def test_with_sizes_it_hits_more_than_gdsf_and_than_the_furthest_use():
    trace = zipf_trace(6_000, 800)
    env = TraceCache(trace, 200_000, "bytes", "sampled", candidates=64, slots=128)
    params = env.default_params.replace(random_start=False, max_steps_in_episode=10**6)
    teach = belady_teacher(env)

    def step(state, key):
        return env.step_env(key, state, teach(state, params)[0], params)[1], None

    keys = jax.random.split(jax.random.key(0), trace.num_requests)
    last = jax.jit(
        lambda: jax.lax.scan(step, env.reset_env(jax.random.key(0), params)[1], keys)[0]
    )()
    for policy in ("gdsf", "belady", "belady_bypass"):
        assert int(last.hits) > replay(trace, policy, 200_000, "bytes").hits, policy
