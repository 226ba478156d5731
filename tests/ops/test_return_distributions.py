"""Distributions of returns against answers by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from elsinore.ops.return_distributions import (
    categorical_divergence,
    cosine_embedding,
    mass_beyond,
    midpoints,
    project,
    quantile_huber,
)
from tests.strategies import float32s

ATOMS = jnp.array([0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, [0.0, 1.0, 0.0]),
        (0.25, [0.75, 0.25, 0.0]),
        (1.9, [0.0, 0.1, 0.9]),
        (-5.0, [1.0, 0.0, 0.0]),
        (7.0, [0.0, 0.0, 1.0]),
    ],
)
def test_a_value_gives_its_mass_to_the_atoms_beside_it_the_nearer_the_more(value, expected):
    found = project(jnp.array([[value]]), jnp.ones((1, 1)), ATOMS)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_a_projected_distribution_by_hand():
    """0.2 at 0.5, 0.3 at 1.5 and 0.5 at 2.5, which is beyond the last atom."""
    value, mass = jnp.array([[0.5, 1.5, 2.5]]), jnp.array([[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(project(value, mass, ATOMS)[0], [0.1, 0.25, 0.65], atol=1e-6)
    assert mass_beyond(value, mass, ATOMS) == pytest.approx(0.5)


masses = arrays(np.float32, (1, 5), elements=float32s(0.125, 1.0))
values = arrays(np.float32, (1, 5), elements=float32s(-4.0, 4.0))


@given(values, masses)
def test_projecting_keeps_the_mass_and_within_the_support_the_mean(value, mass):
    mass, atoms = mass / mass.sum(), jnp.linspace(-4.0, 4.0, 9)
    found = project(jnp.asarray(value), jnp.asarray(mass), atoms)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float((found * atoms).sum()) == pytest.approx(float((value * mass).sum()), abs=1e-4)


def test_the_divergence_is_zero_at_the_target_and_its_gradient_is_the_gap_of_probabilities():
    target, logits = jnp.array([[0.25, 0.75, 0.0]]), jnp.array([[0.3, -0.2, 0.1]])
    at_target = jnp.log(jnp.array([[0.25, 0.75, 1e-30]]))
    assert categorical_divergence(at_target, target)[0] == pytest.approx(0.0, abs=1e-6)
    gradient = jax.grad(lambda x: categorical_divergence(x, target)[0])(logits)
    np.testing.assert_allclose(gradient, jax.nn.softmax(logits) - target, atol=1e-6)


def test_the_quantile_loss_by_hand():
    """Quantiles 0 and 1 at the fractions 1/4 and 3/4; samples 0.5 and 3.

    u = 0.5 and 3 for the first, weighed by 1/4: (0.125 + 2.5) / 4; u = -0.5 and 2 for the second:
    0.125 by 1/4 and 1.5 by 3/4.
    """
    loss = quantile_huber(
        jnp.array([[0.0, 1.0]]), jnp.array([[0.25, 0.75]]), jnp.array([[0.5, 3.0]])
    )
    by_hand = 0.25 * (0.125 + 2.5) / 2 + (0.25 * 0.125 + 0.75 * 1.5) / 2
    assert loss[0] == pytest.approx(by_hand)


def test_the_least_loss_of_quantiles_is_at_the_quantiles_of_the_samples():
    """Of 0, 10, 20, 30, whose distances make Huber's corner small: between 0 and 10 at 1/4, ..."""
    sample, fraction = jnp.array([[0.0, 10.0, 20.0, 30.0]]), jnp.array([[0.125, 0.625]])
    loss = jax.jit(lambda z: quantile_huber(z, fraction, sample)[0])
    z = jnp.array([[15.0, 15.0]])
    step = jax.jit(lambda z: z - 0.3 * jax.grad(loss)(z))
    for _ in range(2_000):
        z = step(z)
    np.testing.assert_allclose(z[0], [0.0, 20.0], atol=1.1)


def test_midpoints_are_the_middles_of_equal_parts():
    np.testing.assert_allclose(midpoints(4), [0.125, 0.375, 0.625, 0.875])


def test_the_cosine_embedding_begins_with_one_and_the_cosine_of_pi_tau():
    found = cosine_embedding(jnp.array([0.5, 1 / 3]), 4)
    np.testing.assert_allclose(found, [[1, 0, -1, 0], [1, 0.5, -0.5, -1]], atol=1e-6)
