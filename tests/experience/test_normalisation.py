import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.experience.normalisation import (
    init_normalisers,
    normalise_obs,
    observe,
    scale_rewards,
)
from tests.strategies import float32s

GAMMA = 0.99
TIME, ENV = 6, 2
OBS = {
    "seen": jnp.array([[1.0, -3.0], [4.0, 0.5]]),
    "action_mask": jnp.array([[True, False, True]] * 2),
}
scale = jax.jit(scale_rewards)
rewards = arrays(np.float32, (2 * TIME, ENV), elements=float32s(-10, 10))
ends = arrays(bool, (2 * TIME, ENV), elements=st.sampled_from([False, False, True]))


def running_returns(reward, done):
    """The running return after each step, one env, read off the state after rollouts of one step
    each."""
    stats = init_normalisers(jnp.zeros((1, 1)), False, True)
    for r in reward[:-1]:
        stats, _ = scale_rewards(stats, jnp.array([[r]]), jnp.array([[False]]), GAMMA)
        yield float(stats.running_return[0])
    stats, _ = scale_rewards(stats, jnp.array([[reward[-1]]]), jnp.array([[done]]), GAMMA)
    yield float(stats.running_return[0])


def test_the_running_return_starts_anew_after_an_episodes_last_reward():
    """1, 1.99, 2.97 and then 1: not 1, 1.99, 1 and 1.99, where the last reward leaks into the next
    one."""
    assert list(running_returns([1.0] * 3, False)) == pytest.approx([1.0, 1.99, 2.9701])
    stats = init_normalisers(jnp.zeros((1, 1)), False, True)
    stats, _ = scale_rewards(
        stats, jnp.ones((4, 1)), jnp.array([[False], [False], [True], [False]]), GAMMA
    )
    assert stats.running_return[0] == 1.0
    returns = np.array([1.0, 1.99, 2.9701, 1.0])
    np.testing.assert_allclose(
        (stats.returns.mean, stats.returns.var), (returns.mean(), returns.var()), rtol=1e-5
    )


def test_rewards_are_divided_by_the_deviation_of_the_running_return_and_not_shifted():
    reward = jnp.array([[1.0], [1.0], [1.0], [0.0]])
    _, scaled = scale_rewards(
        init_normalisers(jnp.zeros((1, 1)), False, True), reward, jnp.zeros((4, 1), bool), GAMMA
    )
    np.testing.assert_allclose(scaled, reward / np.std([1.0, 1.99, 2.9701, 2.940399]), rtol=1e-5)


@given(rewards, ends)
def test_the_running_return_is_what_a_loop_would_keep(reward, done):
    stats = init_normalisers(jnp.zeros((ENV, 1)), False, True)
    for part in (slice(None, TIME), slice(TIME, None)):
        stats, scaled = scale(stats, reward[part], done[part], GAMMA)
    running, seen = np.zeros(ENV), []
    for r, over in zip(reward.astype(np.float64), done, strict=True):
        running = GAMMA * running + r
        seen.append(running)
        running = np.where(over, 0.0, running)
    np.testing.assert_allclose(stats.running_return, running, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(stats.returns.var, np.var(seen), rtol=1e-3, atol=1e-3)
    expected = np.clip(reward[TIME:] / np.sqrt(float(stats.returns.var) + 1e-8), -10, 10)
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-4)


def test_what_is_off_changes_nothing():
    stats = init_normalisers(OBS, False, False)
    assert normalise_obs(stats, OBS) is OBS and observe(stats, OBS) is stats
    reward = jnp.ones((TIME, ENV))
    assert scale_rewards(stats, reward, reward > 2, GAMMA) == (stats, reward)


def test_before_anything_is_seen_observations_stay_as_they_are():
    seen = normalise_obs(init_normalisers(OBS, True, False), OBS)
    np.testing.assert_allclose(seen["seen"], OBS["seen"], rtol=1e-6)


def test_observations_get_mean_zero_and_deviation_one_feature_by_feature():
    obs = jax.random.normal(jax.random.key(0), (TIME, ENV, 2)) * jnp.array(
        [1.0, 100.0]
    ) + jnp.array([5.0, 0.0])
    seen = normalise_obs(observe(init_normalisers(obs[0], True, False), obs), obs)
    np.testing.assert_allclose(seen.mean(axis=(0, 1)), [0.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=(0, 1)), [1.0, 1.0], rtol=1e-5)


def test_a_mask_is_left_alone():
    stats = observe(init_normalisers(OBS, True, False), jax.tree.map(lambda x: x[None], OBS))
    np.testing.assert_array_equal(normalise_obs(stats, OBS)["action_mask"], OBS["action_mask"])


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.uint8, jnp.bool_])
def test_whole_numbers_are_normalised_too(dtype):
    obs = jnp.array([[[0], [1]]]).astype(dtype)  # mean 0.5, deviation 0.5
    seen = normalise_obs(observe(init_normalisers(obs[0], True, False), obs), obs)
    np.testing.assert_allclose(seen[0, :, 0], [-1.0, 1.0], rtol=1e-6)


def test_one_observation_is_seen_as_a_batch_of_them_is():
    stats = observe(init_normalisers(OBS, True, False), jax.tree.map(lambda x: x[None], OBS))
    one = normalise_obs(stats, jax.tree.map(lambda x: x[1], OBS))
    jax.tree.map(
        np.testing.assert_array_equal, one, jax.tree.map(lambda x: x[1], normalise_obs(stats, OBS))
    )
