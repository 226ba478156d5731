"""Munchausen's equations against answers by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.ops.munchausen import munchausen_term, soft_expectation, softmax_policy

Q = jnp.array([[0.0, np.log(3.0)]])  # probabilities 1/4 and 3/4 at the temperature 1


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_policy_is_a_softmax_and_its_log_probabilities_are_scaled(temperature):
    probability, scaled = softmax_policy(Q * temperature, None, temperature)
    np.testing.assert_allclose(probability, [[0.25, 0.75]], atol=1e-6)
    np.testing.assert_allclose(scaled, temperature * np.log([[0.25, 0.75]]), rtol=1e-5)


def test_an_illegal_action_has_no_probability_and_no_part_in_any_term():
    q, legal = jnp.array([[0.0, np.log(3.0), 1_000.0]]), jnp.array([[True, True, False]])
    probability, scaled = softmax_policy(q, legal, 1.0)
    np.testing.assert_allclose(probability, [[0.25, 0.75, 0.0]], atol=1e-6)
    assert scaled[0, 2] == 0.0
    entropy = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    found = soft_expectation(q, probability, scaled)
    assert found[0] == pytest.approx(0.75 * np.log(3.0) + entropy, rel=1e-5)


def test_the_soft_value_is_the_scaled_logarithm_of_the_sum_of_exponentials():
    """max pi (q + tau H) = tau log sum exp(q / tau), of each quantile of a distribution, too."""
    policy = softmax_policy(Q, None, 1.0)
    assert soft_expectation(Q, *policy)[0] == pytest.approx(np.log(4.0), rel=1e-5)
    quantiles = jnp.stack([Q - 1.0, Q + 1.0], axis=-1)
    found = soft_expectation(quantiles, *policy)[0]
    np.testing.assert_allclose(found, [np.log(4.0) - 1.0, np.log(4.0) + 1.0], rtol=1e-5)


def test_the_term_is_a_share_of_the_log_probability_clipped_from_below():
    scaled = jnp.log(jnp.array([[0.25, 0.75], [1e-3, 1.0 - 1e-3]]))
    found = munchausen_term(scaled, jnp.array([1, 0]), 0.9, -1.0)
    np.testing.assert_allclose(found, [0.9 * np.log(0.75), -0.9], rtol=1e-5)


def test_a_very_small_temperature_stays_finite():
    probability, scaled = softmax_policy(jnp.array([[100.0, -100.0]]), None, 1e-3)
    assert jnp.isfinite(probability).all() and jnp.isfinite(scaled).all()
    assert soft_expectation(jnp.array([[100.0, -100.0]]), probability, scaled)[0] == 100.0
