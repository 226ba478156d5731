import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.ops.losses import (
    approximate_kl,
    clipped_surrogate,
    clipped_value_loss,
    importance_weight,
    penalised_surrogate,
    policy_gradient_loss,
    rnd_error,
    standardise,
    td_error_loss,
    value_loss,
)
from tests.strategies import float32s

EPS = 0.2
batch = arrays(np.float32, 8, elements=float32s(-10, 10))
jitted_kl, jitted_standardise = jax.jit(approximate_kl), jax.jit(standardise)


def surrogate(ratio, advantage):
    """The loss of one sample, and its slope in the ratio."""
    return jax.value_and_grad(lambda r: clipped_surrogate(r[None], jnp.array([advantage]), EPS))(
        jnp.float32(ratio)
    )


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),  # the policy gradient, where nothing has changed
        (1.2, 2.0, -2.2, 0.0),  # 1 + eps: the best ratio of a good action
        (0.8, -2.0, 1.8, 0.0),  # 1 - eps: that of a bad one
        (1.5, 2.0, -1.75, 3.0),  # beyond it: bring it back
    ],
)
def test_the_penalised_surrogate_is_least_at_the_bounds(ratio, advantage, loss, slope):
    value, gradient = jax.value_and_grad(
        lambda r: penalised_surrogate(r[None], jnp.array([advantage]), EPS)
    )(jnp.float32(ratio))
    assert (float(value), float(gradient)) == pytest.approx((loss, slope), abs=1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.5, 2.0, -2.4, 0.0),  # a good action, likelier already: nothing more to earn
        (0.5, 2.0, -1.0, -2.0),  # a good action that became unlikelier: bring it back
        (1.5, -2.0, 3.0, 2.0),  # a bad action that became likelier: bring it back
        (0.5, -2.0, 1.6, 0.0),  # a bad action, unlikelier already: nothing more to earn
    ],
)
def test_the_clipped_surrogate_is_a_pessimist(ratio, advantage, loss, slope):
    np.testing.assert_allclose(surrogate(ratio, advantage), (loss, slope), rtol=1e-6)


def test_inside_the_clip_range_the_surrogate_is_the_plain_policy_gradient():
    np.testing.assert_allclose(surrogate(1.1, 2.0), (-2.2, -2.0), rtol=1e-6)


def test_the_value_loss_is_half_the_mean_squared_error():
    assert value_loss(jnp.array([1.0, 2.0]), jnp.array([4.0, 2.0])) == 0.5 * (9.0 + 0.0) / 2


@pytest.mark.parametrize(
    ("value", "old_value", "target", "loss"),
    [
        (1.1, 1.0, 3.0, 0.5 * 1.9**2),  # within the range: the plain error
        # moved too far toward the target: the error from 1.2 is the worse
        (2.0, 1.0, 3.0, 0.5 * 1.8**2),
        (0.0, 1.0, 3.0, 0.5 * 3.0**2),  # moved away: its own error is the worse
        (4.0, 1.0, 3.0, 0.5 * 1.8**2),  # overshot
    ],
)
def test_value_clipping_takes_the_worse_of_two_errors(value, old_value, target, loss):
    ours = clipped_value_loss(jnp.array([value]), jnp.array([old_value]), jnp.array([target]), EPS)
    np.testing.assert_allclose(ours, loss, rtol=1e-6)


@given(batch, batch, batch)
def test_value_clipping_only_ever_adds_to_the_loss_and_an_infinite_range_adds_nothing(
    value, old_value, target
):
    value, old_value, target = map(jnp.asarray, (value, old_value, target))
    plain = value_loss(value, target)
    assert clipped_value_loss(value, old_value, target, EPS) >= plain
    np.testing.assert_allclose(
        clipped_value_loss(value, old_value, target, jnp.inf), plain, rtol=1e-5, atol=1e-5
    )


@given(batch)
def test_the_kl_estimate_is_never_negative(log_ratio):
    assert jitted_kl(log_ratio) >= 0.0


def test_the_kl_of_a_policy_to_itself_is_exactly_zero():
    assert approximate_kl(jnp.zeros(8)) == 0.0


def test_the_kl_estimate_is_unbiased():
    old, new = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    samples = np.repeat(np.arange(3), (old * 10).astype(int))  # exactly as often as old says
    kl = approximate_kl(jnp.log(new / old)[samples])
    np.testing.assert_allclose(kl, np.sum(old * np.log(old / new)), rtol=1e-5)


def test_a_tiny_change_has_a_tiny_kl_and_not_a_rounding_error():
    np.testing.assert_allclose(approximate_kl(jnp.full(8, 1e-3)), 0.5e-6, rtol=1e-2)


def test_standardising_gives_mean_zero_and_deviation_one():
    x = standardise(jnp.array([1.0, 2.0, 3.0, 6.0]))
    np.testing.assert_allclose((x.mean(), x.std()), (0.0, 1.0), atol=1e-6)


@given(float32s(-1e4, 1e4), st.sampled_from([1, 7, 512]))
def test_a_constant_batch_becomes_zeros(x, size):
    np.testing.assert_allclose(jitted_standardise(np.full(size, x, np.float32)), 0.0, atol=1e-3)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_not_standardised_away(broken):
    assert np.isnan(jitted_standardise(jnp.array([1.0, broken, 3.0]))).all()


@given(batch, float32s(0.5, 2), float32s(-5, 5))
def test_standardising_forgets_scale_and_offset(x, scale, offset):
    spread = x + np.arange(8, dtype=np.float32) * 30  # never nearly constant
    np.testing.assert_allclose(
        jitted_standardise(spread * scale + offset), jitted_standardise(spread), atol=1e-4
    )


def test_the_policy_gradient_loss_weighs_log_probabilities_by_advantages():
    log_prob, advantage = jnp.array([-1.0, -2.0]), jnp.array([3.0, -1.0])
    loss, slope = jax.value_and_grad(policy_gradient_loss)(log_prob, advantage)
    assert loss == 0.5  # -(3 x -1 + -1 x -2) / 2
    np.testing.assert_array_equal(slope, [-1.5, 0.5])


@pytest.mark.parametrize(
    ("kind", "loss", "slope"),
    [
        # errors 0.5 and -3, weights 1 and 0.5
        ("mse", 1.1875, [0.25, -0.75]),  # (0.125 + 0.5 x 4.5) / 2
        ("huber", 0.6875, [0.25, -0.25]),  # (0.125 + 0.5 x 2.5) / 2; the slope of 3 is cut to 1
    ],
)
def test_the_td_loss_is_a_weighted_mean(kind, loss, slope):
    error, weight = jnp.array([0.5, -3.0]), jnp.array([1.0, 0.5])
    ours, gradient = jax.value_and_grad(td_error_loss)(error, weight, kind)
    np.testing.assert_allclose(ours, loss, rtol=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("beta", "weight"), [(0.0, [1, 1, 1]), (0.5, [1, 0.5, 0.25]), (1.0, [1, 0.25, 0.0625])]
)
def test_importance_weights_undo_the_priorities(beta, weight):
    np.testing.assert_allclose(importance_weight(jnp.array([1.0, 4.0, 16.0]), beta), weight)


def test_importance_weights_are_those_of_the_paper():
    priority, beta = np.array([2.0, 3.0, 5.0], np.float32), 0.4
    paper = (3 * priority / priority.sum()) ** -beta
    np.testing.assert_allclose(
        importance_weight(jnp.asarray(priority), beta), paper / paper.max(), rtol=1e-6
    )


def test_the_rnd_error_is_the_mean_over_features():
    prediction = jnp.array([[1.0, 2.0], [0.0, 0.0]])
    target = jnp.array([[1.0, 4.0], [3.0, 1.0]])
    np.testing.assert_array_equal(rnd_error(prediction, target), [2.0, 5.0])
