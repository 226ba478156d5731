from collections import deque
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.experience.episode_stats import (
    MANY,
    count_episodes,
    count_episodes_of_all_shards,
    forget,
    init_episode_stats,
    mean_of_last,
)
from elsinore.experience.rollout import init_actor, rollout
from elsinore.jaxtools.shards import IN_TURN
from elsinore.types import Decision
from tests.training.hourglass import Hourglass

TIME, ENV, WINDOW = 5, 3, 4
taken_in = jax.jit(count_episodes)
ends = st.lists(
    st.lists(st.booleans(), min_size=TIME * ENV, max_size=TIME * ENV), min_size=1, max_size=4
)


def rolled(done, episode_stats=None, **values):
    """A rollout's outcomes; a value is named 0, 1, 2, ... in the order of time."""
    episode_stats = episode_stats or init_episode_stats(("length",), WINDOW, ENV)
    number = jnp.arange(TIME * ENV).reshape(TIME, ENV)
    return taken_in(episode_stats, jnp.asarray(done, bool).reshape(TIME, ENV), {"length": number})


def newest_first(episode_stats, row=0):
    order = np.argsort(episode_stats.age)[: min(int(episode_stats.num), episode_stats.window)]
    return np.asarray(episode_stats.recent[row])[order].tolist()


def at(*times_and_envs):
    done = np.zeros((TIME, ENV), bool)
    done[tuple(zip(*times_and_envs, strict=True))] = True
    return done


def test_episodes_count_in_the_order_of_time_and_of_envs_within_a_step():
    assert newest_first(rolled(at((3, 0), (1, 2), (1, 0)))) == [9, 5, 3]


def test_the_oldest_is_forgotten_where_the_window_is_full():
    episode_stats = rolled(at((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (4, 1)))
    assert newest_first(episode_stats) == [13, 12, 9, 6] and int(episode_stats.num) == 6


def test_an_episode_that_was_running_does_not_count_and_the_next_one_does():
    later = rolled(at((1, 0), (2, 1), (3, 0)), forget(init_episode_stats(("length",), WINDOW, ENV)))
    assert newest_first(later) == [9]  # env 0's second
    np.testing.assert_array_equal(later.fresh, [True, True, False])


def test_episodes_of_shards_count_as_those_of_one_rollout_of_all_envs():
    """Of four envs in two shards, the first of which does not begin anew."""
    before = replace(init_episode_stats(("length",), 3, 4), fresh=jnp.arange(4) > 0)
    done = jax.random.bernoulli(jax.random.key(0), 0.4, (TIME, 4))
    values = {"length": jnp.arange(4.0 * TIME).reshape(TIME, 4), "unread": jnp.zeros((TIME, 4))}

    def of_shard(fresh, done, values):
        return count_episodes_of_all_shards(replace(before, fresh=fresh), done, values)

    by_time = jax.tree.map(lambda x: x.reshape(TIME, 2, 2), (done, values))
    together = jax.vmap(of_shard, in_axes=(0, 1, 1), axis_name=IN_TURN)
    found = together(before.fresh.reshape(2, 2), *by_time)
    wanted = count_episodes(before, done, values)
    for shard in range(2):
        np.testing.assert_array_equal(found.recent[shard], wanted.recent)
        assert int(found.num[shard]) == int(wanted.num) > 3
    np.testing.assert_array_equal(found.fresh.reshape(-1), wanted.fresh)


def test_what_was_forgotten_is_gone():
    episode_stats = forget(rolled(at((0, 0), (0, 1))))
    assert (
        int(episode_stats.num) == 0
        and newest_first(episode_stats) == []
        and not episode_stats.fresh.any()
    )


@given(rollouts=ends, forgotten=st.sets(st.integers(0, 3)))
def test_outcomes_are_what_a_list_would_show(rollouts, forgotten):
    episode_stats = init_episode_stats(("length",), WINDOW, ENV)
    lately, num, fresh = deque(maxlen=WINDOW), 0, [True] * ENV
    for i, done in enumerate(rollouts):
        episode_stats = rolled(done, episode_stats)
        for step, over in enumerate(done):
            if over and fresh[step % ENV]:
                lately.appendleft(step)
                num += 1
            fresh[step % ENV] |= over
        if i in forgotten:
            episode_stats = forget(episode_stats)
            lately, num, fresh = deque(maxlen=WINDOW), 0, [False] * ENV
        assert newest_first(episode_stats) == list(lately)
        assert int(episode_stats.num) == num
        np.testing.assert_array_equal(episode_stats.fresh, fresh)


def test_a_count_that_grows_for_ever_stays_in_bounds_and_keeps_the_order():
    episode_stats = init_episode_stats(("length",), WINDOW, ENV)
    episode_stats = rolled(at((0, 0), (1, 0), (2, 0), (3, 0)), episode_stats)
    many = episode_stats.__class__(
        ("length",), episode_stats.recent, jnp.int32(MANY - 4), episode_stats.fresh
    )
    later = rolled(at((0, 1), (0, 2), (1, 1), (4, 2), (4, 1)), many)
    assert MANY // 4 < int(later.num) < MANY
    assert newest_first(later) == [14, 13, 4, 2]


@pytest.fixture(scope="module")
def rolled_out():
    """Two envs of four-step episodes for ten steps, remembering what the env tells."""
    env = Hourglass()
    actor = init_actor(env, jax.random.key(0), env.default_params, 2)
    actor = actor._replace(episode_stats=init_episode_stats(("won", "return", "length"), WINDOW, 2))
    policy = lambda noise, carry, obs: Decision(noise, noise, ())  # noqa: E731
    noise = jnp.zeros((10, 2), jnp.int32)
    params = env.default_params.replace(prize=jnp.float32(0.5))
    return rollout(env, params, policy, actor, jax.random.key(1), noise)


def test_a_rollout_records_returns_lengths_and_the_facts_of_the_env(rolled_out):
    episode_stats = rolled_out[0].episode_stats
    assert int(episode_stats.num) == 4
    assert [newest_first(episode_stats, row) for row in range(3)] == [
        [1.0] * 4,
        [2.0] * 4,
        [4.0] * 4,
    ]


def test_an_actor_without_outcomes_stays_without():
    env = Hourglass()
    actor = init_actor(env, jax.random.key(0), env.default_params, 2)
    policy = lambda noise, carry, obs: Decision(noise, noise, ())  # noqa: E731
    noise = jnp.zeros((3, 2), jnp.int32)
    later, *_ = rollout(env, env.default_params, policy, actor, jax.random.key(1), noise)
    assert later.episode_stats is None


def test_the_mean_of_the_last_episodes_is_known_once_there_are_so_many():
    episode_stats = rolled(at((0, 0), (1, 0), (4, 2)))  # of values 0, 3 and 14
    assert np.isnan(mean_of_last(episode_stats, "length", 4))
    assert mean_of_last(episode_stats, "length", 2) == (3 + 14) / 2
    assert mean_of_last(episode_stats, "length", 3) == pytest.approx(17 / 3)
