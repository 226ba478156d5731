"""The equations of SAC and TD3, by numerical integration and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from elsinore.nets.distributions import categorical
from elsinore.ops.advantages import bellman
from elsinore.ops.continuous_q import (
    correlated_noise,
    critics_value,
    expected_soft_value,
    explored_action,
    min_over_critics,
    scaled_action,
    smoothed_action,
    soft_value,
    squashed_log_prob,
    temperature_loss,
    truncated_mixture,
    uniform_action,
)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 0.3), (-1.5, 0.8)])
def test_the_squashed_density_integrates_to_the_probability_of_every_interval(mean, std):
    """The share of samples in an interval of actions, by a fine sum over it."""
    samples = np.tanh(mean + std * np.random.default_rng(0).standard_normal(400_000))
    for low, high in ((-1.0, 1.0), (-1.0, 0.2), (0.2, 0.9), (0.5, 1.0)):
        edges = np.linspace(low, high, 200_001)
        action = np.clip((edges[1:] + edges[:-1]) / 2, -1 + 1e-7, 1 - 1e-7)
        log_prob = squashed_log_prob(
            jnp.arctanh(jnp.float32(action))[:, None],
            jnp.full((len(action), 1), mean),
            jnp.full((len(action), 1), np.log(std)),
        )
        mass = np.sum(np.exp(np.float64(log_prob))) * (high - low) / len(action)
        assert mass == pytest.approx(((samples > low) & (samples < high)).mean(), abs=4e-3)


def test_the_squashed_density_of_several_dimensions_is_the_product_of_each():
    key = jax.random.key(0)
    u, mean, log_std = 0.5 * jax.random.normal(key, (3, 7, 2))
    each = [squashed_log_prob(u[:, i : i + 1], mean[:, i : i + 1], log_std[:, i : i + 1])
            for i in range(2)]  # fmt: skip
    np.testing.assert_allclose(squashed_log_prob(u, mean, log_std), sum(each), rtol=1e-5)


@pytest.mark.parametrize("u", [-80.0, -12.0, 12.0, 80.0])
def test_the_squashed_density_and_its_gradient_are_finite_where_tanh_rounds_to_one(u):
    """log(1 - tanh(u)^2) tends to 2 log 2 - 2 |u|: the slope in u is that of the normal, and 2."""
    one = jnp.ones(1)
    value, slope = jax.value_and_grad(lambda u: squashed_log_prob(u * one, 0.0 * one, 0.0 * one))(u)
    expected = -0.5 * u**2 - 0.5 * np.log(2 * np.pi) - (2 * np.log(2.0) - 2 * abs(u))
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(slope) == pytest.approx(-u + 2.0 * np.sign(u), rel=1e-5)


def test_a_clipped_double_q_target_by_hand():
    """Two critics, two transitions, the second of which terminated."""
    q = jnp.array([[3.0, 5.0], [4.0, 1.0]])
    np.testing.assert_allclose(min_over_critics(q), [3.0, 1.0])
    target = bellman(jnp.array([1.0, 2.0]), jnp.array([0.9, 0.0]), min_over_critics(q))
    np.testing.assert_allclose(target, [1.0 + 0.9 * 3.0, 2.0])


def test_the_soft_value_pays_for_surprise_by_the_temperature():
    q, log_prob = jnp.array([[3.0, 5.0], [4.0, 1.0]]), jnp.array([-2.0, 1.0])
    np.testing.assert_allclose(soft_value(q, log_prob, 0.5), [3.0 + 1.0, 1.0 - 0.5])


@pytest.mark.parametrize(("entropy", "direction"), [(-2.0, -1.0), (-0.5, 1.0), (-1.0, 0.0)])
def test_the_temperature_rises_where_the_entropy_is_below_its_target(entropy, direction):
    """The target is -1 nat. d/d(log alpha) = alpha (H - target), and a step is against it."""
    gradient = jax.grad(temperature_loss)(jnp.log(0.2), jnp.float32(entropy), -1.0)
    assert float(gradient) == pytest.approx(0.2 * (entropy + 1.0), abs=1e-6)
    assert np.sign(float(gradient)) == direction


def test_target_smoothing_clips_the_noise_and_then_the_action():
    action, noise = jnp.array([0.0, 0.0, 0.9, -0.9]), jnp.array([1.0, -5.0, 5.0, 1.0])
    found = smoothed_action(action, noise, 0.2, 0.5)
    np.testing.assert_allclose(found, [0.2, -0.5, 1.0, -0.7], rtol=1e-6)
    np.testing.assert_allclose(smoothed_action(action, noise, 0.0, 0.5), action)


def test_exploration_adds_noise_that_is_not_clipped_before_the_action_is():
    action, noise = jnp.array([0.0, 0.9, 0.0]), jnp.array([2.0, 2.0, -20.0])
    np.testing.assert_allclose(explored_action(action, noise, 0.1), [0.2, 1.0, -1.0], rtol=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.95])
def test_correlated_noise_stays_standard_normal_and_forgets_by_its_correlation(correlation):
    noise = jax.random.normal(jax.random.key(0), (40, 5_000, 1))
    found = np.asarray(correlated_noise(noise, correlation))[..., 0]
    np.testing.assert_allclose(found.std(axis=1), 1.0, atol=0.05)
    for lag in (1, 2, 5):
        products = (found[lag:] * found[:-lag]).mean()
        assert products == pytest.approx(correlation**lag, abs=0.03)
    np.testing.assert_array_equal(correlated_noise(noise[:1], correlation), noise[:1])


def test_normal_noise_becomes_uniform_actions():
    noise = jax.random.normal(jax.random.key(0), (20_000,))
    assert kstest(np.asarray(uniform_action(noise)), "uniform", (-1.0, 2.0)).pvalue > 0.01
    np.testing.assert_allclose(uniform_action(jnp.array([-99.0, 0.0, 99.0])), [-1.0, 0.0, 1.0])


def test_an_action_is_scaled_to_bounds_that_rounding_does_not_cross():
    low, high = np.float32([-2.0, 0.1]), np.float32([2.0, 0.7])
    np.testing.assert_allclose(scaled_action(jnp.zeros(2), low, high), [0.0, 0.4])
    ends = jnp.stack([-jnp.ones(2), jnp.ones(2)])
    np.testing.assert_array_equal(scaled_action(ends, low, high), [low, high])


def test_a_truncated_mixture_is_the_smallest_quantiles_of_all_critics():
    quantiles = jnp.array([[[5.0, 1.0], [0.0, 0.0]], [[2.0, 9.0], [7.0, -1.0]]])
    np.testing.assert_array_equal(truncated_mixture(quantiles, 2), [[1.0, 2.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(truncated_mixture(quantiles, 0).shape, (2, 4))
    np.testing.assert_array_equal(critics_value(quantiles), [17 / 4, 6 / 4])


def test_the_soft_value_of_a_policy_over_actions_is_the_mean_of_the_sampled_one():
    """By hand, and as the sum over the actions of `soft_value` of each."""
    q = jnp.array([[[1.0, 3.0, 2.0]], [[2.0, 1.0, 4.0]]])
    probability = jnp.array([[0.5, 0.25, 0.25]])
    entropy = -jnp.sum(probability * jnp.log(probability), axis=1)
    found = expected_soft_value(q, probability, entropy, 0.5)
    each = [soft_value(q[:, :, a], jnp.log(probability[:, a]), 0.5) for a in range(3)]
    np.testing.assert_allclose(found, sum(p * v for p, v in zip(probability[0], each, strict=True)))
    np.testing.assert_allclose(found, 0.5 * 1 + 0.25 * 1 + 0.25 * 2 + 0.5 * entropy, rtol=1e-6)


def test_an_illegal_action_adds_nothing_to_a_soft_value_or_its_gradient():
    def value(logits):
        policy = categorical(logits, jnp.array([True, True, False]))
        q = jnp.array([[[1.0, 2.0, 1e9]]])
        probability = jnp.exp(policy.log_probs)[None]
        return expected_soft_value(q, probability, policy.entropy()[None], 1.0)[0]

    found, slope = jax.value_and_grad(value)(jnp.zeros(3))
    assert found == pytest.approx(1.5 + np.log(2.0), abs=1e-5)
    np.testing.assert_allclose(slope, [-0.25, 0.25, 0.0], atol=1e-6)
