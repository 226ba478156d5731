"""Values in units of their targets: what rescaling changes, and what it does not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.build import actor_critic_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import discrete_head
from elsinore.nets.popart import TargetMoments, per_unit, rescaled, with_popart

OBS, KEY = jnp.arange(3.0), jax.random.key(0)
ROWS = jax.random.normal(jax.random.key(1), (16, 3))
TARGETS = 1000.0 + 50.0 * jax.random.normal(jax.random.key(2), (64,))


def network(custom=None, **config):
    return actor_critic_network(NetworkConfig(hidden=(8,), **config), discrete_head(2), OBS, custom)


@pytest.mark.parametrize("config", [{}, {"shared": True}, {"gru": 4}], ids=str)
def test_outputs_are_what_they_were_before_rescaling(config):
    net = with_popart(network(**config))
    params = net.init(KEY, OBS)
    carry = jax.tree.map(lambda x: jnp.broadcast_to(x, (16, *x.shape)), net.initial_carry)
    _, outputs, value = net.step(params, carry, ROWS)
    for targets in (TARGETS, 0.01 * TARGETS, -TARGETS):
        params = jax.jit(rescaled)(params, targets, 0.1)
        _, outputs_after, value_after = net.step(params, carry, ROWS)
        np.testing.assert_array_equal(outputs_after, outputs)
        # of numbers near 1,000 in float32
        np.testing.assert_allclose(value_after, value, atol=1e-3)


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_targets_that_move_nothing_leave_the_bias_to_the_last_digit(step):
    """A mean of 100,000, beside which a bias near 1 would lose all digits but two."""
    params = with_popart(network()).init(KEY, OBS)
    moments = TargetMoments(*jnp.float32([1e5, 1.0, 1.0]))
    params["net"]["params"]["value"]["bias"] = jnp.float32([0.123456])
    targets = jnp.float32([1e5 - 1.0, 1e5 + 1.0])  # of that mean and variance
    after = rescaled(params | {"targets": moments}, targets, step)
    assert after["targets"].mean == moments.mean and per_unit(after) == 1.0
    np.testing.assert_array_equal(after["net"]["params"]["value"]["bias"], jnp.float32([0.123456]))


def test_at_first_it_is_the_plain_network():
    plain = network()
    params, expected = with_popart(plain).init(KEY, OBS), plain.init(KEY, OBS)
    jax.tree.map(np.testing.assert_array_equal, params["net"], expected)
    np.testing.assert_array_equal(
        with_popart(plain).step(params, (), ROWS)[2], plain.step(expected, (), ROWS)[2]
    )


def test_the_moments_are_an_average_that_forgets_and_has_no_bias():
    """After batches with steps of 0.1 the weights are 0.1 x 0.9^age, over their sum."""
    params = with_popart(network()).init(KEY, OBS)
    batches = [TARGETS, 2.0 * TARGETS, TARGETS - 500.0]
    for batch in batches:
        params = rescaled(params, batch, 0.1)
    weights = np.repeat(0.9 ** np.array([2.0, 1.0, 0.0]), 64)
    weights /= weights.sum()
    x = np.concatenate([np.asarray(batch, np.float64) for batch in batches])
    mean = np.sum(weights * x)
    assert params["targets"].mean == pytest.approx(mean, rel=1e-5)
    deviation = np.sqrt(np.sum(weights * (x - mean) ** 2))
    assert 1.0 / per_unit(params) == pytest.approx(deviation, rel=1e-4)


def test_targets_without_variance_leave_finite_values():
    net = with_popart(network())
    params = rescaled(net.init(KEY, OBS), jnp.full(8, 3.0), 1.0)
    assert np.isfinite(net.step(params, (), ROWS)[2]).all() and per_unit(params) > 0.0


def test_no_gradient_changes_the_moments():
    net = with_popart(network())
    params = rescaled(net.init(KEY, OBS), TARGETS, 1.0)
    gradient = jax.grad(lambda params: net.step(params, (), ROWS)[2].sum())(params)
    assert not any(jax.tree.leaves(gradient["targets"]))
    assert jnp.abs(gradient["net"]["params"]["value"]["kernel"]).sum() > 0.0


def test_a_network_without_a_layer_of_value_is_refused():
    from tests.algos.test_ppo import Sum

    net = with_popart(network(custom=partial(Sum, size=2)))
    with pytest.raises(ValueError, match="algo.popart=True needs a network whose value is that of"):
        net.init(KEY, OBS)
