"""What is A2C's own: one step an update, down the gradient of n-step returns, by RMSprop as
TensorFlow's."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.a2c import A2CConfig
from tests.algos.trainees import A2C, compiled
from tests.small_envs import Forever, Wait


class Sum(nn.Module):
    """A network that reads nothing: the value is its one weight, the policy is uniform."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return jnp.zeros(self.num_outputs), self.param("weight", nn.initializers.zeros, ())


def updated(world, **config):
    _, begin, update = compiled(
        A2C(learning_rate=0.1, max_grad_norm=float("inf"), **config), world, network=Sum
    )
    return update(begin())


@pytest.mark.parametrize(
    ("gae_lambda", "targets"),
    [(1.0, [1.75, 1.5, 1.0]), (0.0, [1.0, 1.0, 1.0]), (0.5, [1 + 0.25 * 1.25, 1.25, 1.0])],
)
def test_a_target_is_the_return_of_the_rollout_or_less_of_it_with_a_smaller_lambda(
    gae_lambda, targets
):
    """Three steps that pay 1, gamma .5, and a critic that thinks all is worth 0."""
    _, metrics = updated(Forever(), rollout_length=3, gamma=0.5, gae_lambda=gae_lambda)
    np.testing.assert_allclose(
        metrics["loss/value"].total, 0.5 * np.mean(np.square(targets)), rtol=1e-6
    )
    np.testing.assert_allclose(
        metrics["loss/policy"].total, np.log(2.0) * np.mean(targets), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("optimiser", "step"),
    [
        # eps under the root, the mean begun at 1
        ("rmsprop", -0.5 / np.sqrt(0.99 * 1.0 + 0.01 * 0.25 + 1e-5)),
        ("adam", -1.0 / (1.0 + 1e-5 / 0.5)),
    ],
)
def test_an_update_is_one_step_of_its_optimiser(optimiser, step):
    """The gradient at the one weight is vf_coef x (V - 1) = -0.5."""
    state, metrics = updated(Wait(1), optimiser=optimiser, vf_coef=0.5)
    np.testing.assert_allclose(state.learner.params["params"]["weight"], -0.1 * step, rtol=1e-4)
    np.testing.assert_allclose(metrics["learner/gradient_norm"].total, 0.5, rtol=1e-6)


def test_advantages_are_standardised_only_where_that_is_asked():
    for normalize, loss in ((False, np.log(2.0)), (True, 0.0)):
        _, metrics = updated(Wait(1), normalize_advantage=normalize)
        np.testing.assert_allclose(metrics["loss/policy"].total, loss, atol=1e-6)


def test_the_entropy_of_the_policy_is_paid_for():
    _, metrics = updated(Wait(1), ent_coef=0.1)
    expected = np.log(2.0) + 0.5 * 0.5 - 0.1 * np.log(2.0)
    np.testing.assert_allclose(metrics["loss/total"].total, expected, rtol=1e-6)


def test_the_entropy_bonus_may_fade():
    _, begin, update = compiled(
        A2C(ent_coef=0.2, ent_coef_final=0.0), Wait(1), updates=100, network=Sum
    )
    for number, ent_coef in ((0, 0.2), (50, 0.1), (100, 0.0)):
        _, metrics = update(begin()._replace(update=jnp.int32(number)))
        assert metrics["loss/total"].total == pytest.approx(
            np.log(2.0) + 0.5 * 0.5 - ent_coef * np.log(2.0)
        )


def test_the_learning_rate_goes_to_its_end():
    _, begin, update = compiled(A2C(learning_rate_final=0.01), Wait(1), updates=100)
    for number, rate in ((0, 0.03), (50, 0.02), (200, 0.01)):
        _, metrics = update(begin()._replace(update=jnp.int32(number)))
        assert metrics["schedule/learning_rate"].total == pytest.approx(rate)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, 0) for name in ("num_envs", "rollout_length")),
        *((name, value) for name in ("gamma", "gae_lambda") for value in (-0.1, 1.1, float("nan"))),
        *((name, 0.0) for name in ("learning_rate", "optimiser_eps", "max_grad_norm")),
        *(
            (name, -0.1)
            for name in ("learning_rate_final", "vf_coef", "ent_coef", "ent_coef_final")
        ),
        ("optimiser", "sgd"),
    ],
)
def test_a_config_that_cannot_work_is_refused_by_name_and_value(field, value):
    with pytest.raises(ValueError) as refusal:
        A2CConfig(**{field: value})
    assert f"{field}={value!r}" in str(refusal.value)


def test_noise_held_for_longer_than_a_rollout_is_refused():
    with pytest.raises(ValueError, match="noise_period=6 is longer than rollout_length=5"):
        A2CConfig(action_distribution="gsde", noise_period=6)
    A2CConfig(action_distribution="gsde", noise_period=5)
