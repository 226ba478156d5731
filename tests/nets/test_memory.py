"""The linear recurrence: a scan that is its own recurrence, and resets inside it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from elsinore.nets.initialisation import initialise
from elsinore.nets.memory import RADIUS, LinearRecurrence, scan_with_resets

TIME, WIDTH, KEY = 9, 4, jax.random.key(0)
DRIVE = jax.lax.complex(*jax.random.normal(KEY, (2, TIME, WIDTH)))
FACTOR = 0.95 * jnp.exp(1j * jnp.linspace(0.0, 3.0, WIDTH))
BEFORE = jnp.full(WIDTH, 2.0 - 1.0j)
jitted_scan = jax.jit(scan_with_resets)


@given(arrays(bool, TIME))
def test_the_scan_is_the_recurrence_with_resets(episode_start):
    x, expected = np.asarray(BEFORE, np.complex128), []
    for t in range(TIME):
        x = np.asarray(FACTOR, np.complex128) * (0.0 if episode_start[t] else x) + DRIVE[t]
        expected.append(x)
    found = jitted_scan(FACTOR, DRIVE, BEFORE, episode_start)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


LAYER = LinearRecurrence(WIDTH)


@pytest.fixture(scope="module")
def params():
    return initialise(LAYER, KEY, jnp.zeros((2, WIDTH)), jnp.zeros(3))


def test_the_layer_at_once_is_the_layer_step_by_step(params):
    inputs = jax.random.normal(jax.random.key(1), (TIME, 3))
    start = jnp.zeros(TIME, bool).at[jnp.array([0, 4])].set(True)
    carries, features = LAYER.apply(params, jnp.ones((2, WIDTH)), inputs, start)
    carry = jnp.ones((2, WIDTH))
    for t in range(TIME):
        carry = jnp.zeros_like(carry) if start[t] else carry
        carry, feature = LAYER.apply(params, carry, inputs[t])
        np.testing.assert_allclose(carries[t], carry, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(features[t], feature, rtol=1e-4, atol=1e-5)  # pyright: ignore[reportCallIssue]


def test_the_state_decays_as_the_eigenvalues_at_first_are_drawn(params):
    radius = np.exp(-np.exp(np.asarray(params["params"]["nu"])))
    assert (RADIUS[0] - 1e-6 <= radius).all() and (radius <= RADIUS[1] + 1e-6).all()
    bias = params["params"]["drive"]["bias"]
    assert not bias.any()
    carry = jnp.ones((2, WIDTH))
    for _ in range(10):
        carry, _ = LAYER.apply(params, carry, jnp.zeros(3))
    size = np.sqrt(np.square(carry).sum(axis=0))
    np.testing.assert_allclose(size, np.sqrt(2.0) * radius**10, rtol=1e-4)


def test_the_state_has_the_variance_of_its_drive():
    """Of white noise, sqrt(1 - |lambda|^2) keeps the variance at 1, whatever the eigenvalue."""
    for radius in (0.0, 0.9, 0.99):
        noise = jax.lax.complex(*jax.random.normal(KEY, (2, 20_000, 1)))
        drive = np.sqrt(1 - radius**2) * noise
        x = jitted_scan(jnp.full(1, radius + 0j), drive, jnp.zeros(1) + 0j, jnp.zeros(20_000, bool))
        np.testing.assert_allclose(jnp.var(x.real), 1.0, atol=0.15)


def test_the_state_tells_recent_inputs_apart_at_first():
    """A ridge regression of the input of four steps ago on the state: with phases up to pi / 10
    alone it explains 0.16 of the variance."""
    layer, width, lag = LinearRecurrence(32), 32, 4
    params = initialise(layer, KEY, jnp.zeros((2, width)), jnp.zeros(4))
    inputs = jax.random.normal(jax.random.key(1), (1_000, 4))
    start = jnp.zeros(len(inputs), bool)
    states = np.asarray(layer.apply(params, jnp.zeros((2, width)), inputs, start)[0])
    x, y = states.reshape(len(inputs), -1)[100:], np.asarray(inputs)[100 - lag : -lag]
    ridge = 0.01 * len(x) * np.eye(x.shape[1])
    missed = y - x @ np.linalg.solve(x.T @ x + ridge, x.T @ y)
    assert 1.0 - missed.var() / y.var() > 0.5
