from collections import deque
from statistics import mean, variance

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.experience.annealing import (
    Steadiness,
    anneal_while_steady,
    episode_lengths,
    is_steady,
    no_episodes,
    record_length,
)
from elsinore.experience.rollout import init_actor, rollout
from elsinore.types import Decision
from tests.small_envs import Clocked, Scripted

TIME, ENV, WINDOW = 6, 3, 5
STEADY = Steadiness(variance=37.3, mean=18.5)
jitted_anneal, jitted_lengths = jax.jit(anneal_while_steady), jax.jit(episode_lengths)
ends = arrays(bool, (2 * TIME, ENV))
lengths_of_each = arrays(np.int32, (2 * TIME, ENV), elements=st.sampled_from([14, 17, 20, 23, 40]))


def recent(*lengths, window=WINDOW):
    episodes = no_episodes(window)
    for length in lengths:
        episodes = record_length(episodes, jnp.float32(length))
    return episodes


def test_the_window_forgets_the_oldest():
    episodes = recent(1, 2, 3, 4, window=3)
    np.testing.assert_array_equal(episodes.lengths, [2, 3, 4])
    assert episodes.count == 3


def test_no_env_is_steady_before_two_episodes():
    bar = Steadiness(variance=np.inf, mean=0.0)
    assert not is_steady(recent(), bar) and not is_steady(recent(100), bar)
    assert is_steady(recent(100, 200), bar)


def test_more_episodes_can_be_asked_for():
    bar = Steadiness(variance=100.0, mean=10.0, min_episodes=4)
    assert not is_steady(recent(50, 50, 50), bar)
    assert is_steady(recent(50, 50, 50, 50), bar)


def test_the_variance_is_the_samples_own():
    """90 and 100 vary by 50 over n - 1, and by 25 over n."""
    assert not is_steady(recent(90, 100), Steadiness(variance=50.0, mean=0.0))
    assert is_steady(recent(90, 100), Steadiness(variance=50.1, mean=0.0))


def test_the_mean_must_be_above_its_bar_and_the_variance_below():
    assert not is_steady(recent(20, 20), Steadiness(variance=100.0, mean=20.0))
    assert is_steady(recent(20, 21), Steadiness(variance=100.0, mean=20.0))
    assert not is_steady(recent(20, 20), Steadiness(variance=0.0, mean=10.0))


def test_a_steady_failure_is_not_annealed_and_a_steady_success_is_once_an_episode():
    done, bar = jnp.ones((4, 1), bool), Steadiness(variance=100.0, mean=0.4 * 500)
    for length, expected in ((10, 1.0), (480, 0.99**3)):  # the first episode alone has no variance
        weight, _ = jitted_anneal(
            jnp.float32(1.0), no_episodes(100), done, jnp.full((4, 1), length), bar, 0.99
        )
        assert weight == pytest.approx(expected)


def test_without_a_finished_episode_nothing_changes():
    before = recent(30, 30, 30)
    weight, after = jitted_anneal(
        jnp.float32(0.7),
        before,
        jnp.zeros((TIME, ENV), bool),
        jnp.full((TIME, ENV), 30),
        STEADY,
        0.5,
    )
    assert weight == jnp.float32(0.7)
    jax.tree.map(np.testing.assert_array_equal, after, before)


def test_episodes_count_in_the_order_of_time_and_of_envs_within_a_step():
    done = jnp.array([[False, True], [True, True]])
    _, after = jitted_anneal(
        jnp.float32(1.0), no_episodes(4), done, jnp.array([[1, 2], [3, 4]]), STEADY, 0.5
    )
    np.testing.assert_array_equal(after.lengths, [0, 2, 3, 4])


@given(ends, lengths_of_each)
def test_annealing_is_what_a_list_of_lengths_would_do(done, length):
    weight, episodes = jnp.float32(1.0), no_episodes(WINDOW)
    for part in (slice(None, TIME), slice(TIME, None)):
        weight, episodes = jitted_anneal(weight, episodes, done[part], length[part], STEADY, 0.5)
    expected, seen = 1.0, deque(maxlen=WINDOW)
    for row, over in zip(length, done, strict=True):
        for x in row[over]:
            seen.append(int(x))
            if len(seen) > 1 and variance(seen) < STEADY.variance and mean(seen) > STEADY.mean:
                expected *= 0.5
    assert weight == expected
    np.testing.assert_array_equal(episodes.lengths[WINDOW - len(seen) :], list(seen))


@given(ends, arrays(np.int32, ENV, elements=st.integers(0, 1_000)))
def test_episode_lengths_are_what_a_counter_would_show(done, before):
    lengths, counter = jitted_lengths(done, before), before.copy()
    for shown, over in zip(lengths, done, strict=True):
        counter += 1
        np.testing.assert_array_equal(shown, counter)
        counter[over] = 0


def test_episode_lengths_agree_with_the_rollouts_own():
    """Two rollouts in a row, in which episodes of 7 steps neither begin nor end together with a
    rollout."""
    env, params = Scripted(), Clocked(max_steps_in_episode=7)
    actor = init_actor(env, jax.random.key(0), params, ENV)
    still = lambda noise, *_: Decision(noise, noise, ())  # noqa: E731
    noise = jnp.zeros((10, ENV), jnp.int32)
    for key in jax.random.split(jax.random.key(1)):
        before = actor.episode_length
        actor, experience, metrics = rollout(env, params, still, actor, key, noise)
        lengths = episode_lengths(experience.truncated, before)
        assert jnp.sum(lengths, where=experience.truncated) == metrics["episode/length"].total
        assert jnp.max(lengths) == 7
