"""Distributions whose samples a critic can be climbed through: densities, gradients and noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from elsinore.nets.continuous_q import ContinuousActor
from elsinore.nets.distributions import Beta, Normal, StateNoise
from elsinore.nets.encoders import MLP
from elsinore.nets.initialisation import initialise
from elsinore.nets.reparameterised import (
    CentredBeta,
    Squashed,
    beta_actor_head,
    deterministic_actor_head,
    squashed_actor_head,
    state_noise_actor_head,
)

KEY, DRAWS = jax.random.key(0), 20_000
ALPHA, BETA = np.float32([1.0, 1.5, 3.0, 40.0]), np.float32([1.0, 4.0, 2.0, 25.0])


@pytest.mark.slow
def test_the_slopes_of_a_betas_samples_are_on_average_those_of_its_moments():
    """Of E[x] = a / (a + b) and E[x^2] = E[x] (a + 1) / (a + b + 1), within the error of a mean."""

    @jax.jit
    @jax.vmap
    def sampled(key):
        def moments(alpha, beta):
            x = Beta(alpha, beta).sample(key)
            return jnp.stack([x, x**2])

        slopes = jax.jacfwd(moments, (0, 1))(jnp.array(ALPHA), jnp.array(BETA))
        return [jnp.diagonal(of_one, axis1=1, axis2=2) for of_one in slopes]

    def exact(alpha, beta):
        mean = alpha / (alpha + beta)
        return jnp.stack([mean, mean * (alpha + 1.0) / (alpha + beta + 1.0)])

    expected = [np.diagonal(x, axis1=1, axis2=2) for x in jax.jacfwd(exact, (0, 1))(ALPHA, BETA)]
    for found, wanted in zip(sampled(jax.random.split(KEY, DRAWS)), expected, strict=True):
        found = np.asarray(found, np.float64)
        error = found.std(axis=0) / np.sqrt(DRAWS)
        assert (np.abs(found.mean(axis=0) - wanted) < 4.0 * error).all()
        assert (error < 0.02 * np.abs(wanted)).all()


@pytest.mark.slow
def test_a_beta_between_minus_one_and_one_has_the_density_that_scipy_gives_it():
    policy = CentredBeta(Beta(jnp.array(ALPHA), jnp.array(BETA)))
    action, log_prob = jax.jit(policy.sample_with_log_prob)(KEY)
    theirs = stats.beta.logpdf(np.asarray(action, np.float64), ALPHA, BETA, loc=-1.0, scale=2.0)
    assert log_prob == pytest.approx(theirs.sum(), rel=1e-4)
    assert (action == jax.jit(policy.sample)(KEY)).all() and (jnp.abs(action) < 1.0).all()
    np.testing.assert_allclose(policy.mode(), 2.0 * ALPHA / (ALPHA + BETA) - 1.0, rtol=1e-6)


SPREAD = jnp.array([[0.3, 0.0], [-0.4, 0.8], [0.0, 0.5]])  # of three features, for two actions
STD = np.sqrt(np.square(SPREAD).sum(axis=0) + 1e-6)
NOISY = Squashed(StateNoise(jnp.array([0.5, -1.0]), SPREAD))


def test_in_learning_noise_of_the_state_is_the_squashed_normal_of_one_step():
    noise = jnp.array([0.7, -1.3])
    plain = Squashed(Normal(jnp.array([0.5, -1.0]), jnp.log(STD)))
    for found, expected in zip(
        NOISY.sample_with_log_prob(noise), plain.sample_with_log_prob(noise), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_as_it_explores_its_draws_are_of_that_normal_and_a_key_is_one_function_of_the_state():
    keys = jax.random.split(KEY, DRAWS)
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (DRAWS, *x.shape)), NOISY)
    drawn = np.arctanh(np.asarray(jax.jit(type(NOISY).sample)(many, keys), np.float64))
    for i in range(2):
        z = (drawn[:, i] - float(NOISY.unsquashed.mean[i])) / STD[i]
        assert stats.kstest(z, "norm").pvalue > 1e-3
    # linear in the features: twice the spread is twice the noise, by the same key
    twice = Squashed(NOISY.unsquashed._replace(spread=2.0 * SPREAD))
    mean = NOISY.unsquashed.mean
    one, two = (jnp.arctanh(x.sample(KEY)) - mean for x in (NOISY, twice))
    np.testing.assert_allclose(two, 2.0 * one, rtol=1e-4)


HEADS = {
    "deterministic": deterministic_actor_head(2),
    "squashed": squashed_actor_head(2, 0.0),
    "beta": beta_actor_head(2),
    "gsde": state_noise_actor_head(2, 3, 4),
}
each_head = pytest.mark.parametrize("kind", HEADS)
RANDOM = ("squashed", pytest.param("beta", marks=pytest.mark.slow), "gsde")


@each_head
def test_before_learning_actions_are_uniform_whatever_the_noise(kind):
    noise = HEADS[kind].noise
    drawn = noise.uniform(noise.of_exploring(KEY, (8, 2_000), 0.0))
    assert drawn.shape == (8, 2_000, 2)
    for i in range(2):
        assert stats.kstest(np.asarray(drawn[0, :, i]), "uniform", (-1.0, 2.0)).pvalue > 1e-3


def test_the_noise_of_the_state_is_held_for_its_period_while_it_explores():
    noise = HEADS["gsde"].noise
    keys = jax.random.key_data(noise.of_exploring(KEY, (10, 2), 0.0))
    for start, end in ((0, 4), (4, 8), (8, 10)):
        assert (keys[start:end] == keys[start]).all()
    assert len(np.unique(keys.reshape(-1, keys.shape[-1]), axis=0)) == 3 * 2


@pytest.mark.parametrize("kind", RANDOM)
def test_a_policy_is_within_the_bounds_far_out_and_its_density_stays_finite(kind):
    head = HEADS[kind]
    outputs = jnp.array([[1e3], [-1e3], [0.0]]) * jnp.ones(head.num_outputs)
    policy = head.policy(outputs)
    action, log_prob = policy.sample_with_log_prob(head.noise.of_learning(KEY, (3,)))
    explored = policy.sample(head.noise.of_exploring(KEY, (1, 3), 0.0)[0])
    for x in (action, explored, policy.mode()):
        assert x.shape == (3, 2) and (jnp.abs(x) <= 1.0).all()
    assert jnp.isfinite(log_prob).all()


@pytest.mark.parametrize("kind", RANDOM)
def test_the_mean_of_samples_has_the_slope_of_the_mean(kind):
    """Of tanh(u) by the sum over a grid of u's normal, and of a beta by its formula."""
    head = HEADS[kind]
    outputs = jnp.linspace(-0.5, 0.6, head.num_outputs)
    noise = head.noise.of_learning(KEY, (DRAWS,))

    def of_samples(outputs):
        policy = head.policy(jnp.broadcast_to(outputs, (DRAWS, len(outputs))))
        return policy.sample_with_log_prob(noise)[0].mean(axis=0)

    def exact(outputs):
        policy = head.policy(outputs)
        if kind == "beta":
            return policy.mode()  # which is its mean
        normal = policy if kind == "squashed" else policy.unsquashed.marginal()
        z = jnp.linspace(-8.0, 8.0, 2_001)[:, None]
        weight = jnp.exp(-0.5 * z**2)
        return jnp.sum(weight * jnp.tanh(normal.mean + jnp.exp(normal.log_std) * z), 0) / (
            jnp.sum(weight)
        )

    found, expected = (jax.jit(jax.jacrev(f))(outputs) for f in (of_samples, exact))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_the_features_are_learnt_for_the_noise_too():
    """As in Stable-Baselines3's SAC, where its PPO learns them for the mean alone."""
    actor = ContinuousActor(lambda: MLP((3,), "tanh"), (1 + 3) * 2, True, 0.5)
    params = initialise(actor, KEY, jnp.ones(4))
    std = params["params"]["log_std"]
    np.testing.assert_allclose(np.exp(std), np.exp(0.5) / np.sqrt(3.0) * np.ones((3, 2)), rtol=1e-6)

    def spread(params):
        return jnp.sum(jnp.square(actor.apply(params, jnp.ones(4))[0][2:]))

    slopes = jax.grad(spread)(params)["params"]
    encoder = next(value for name, value in slopes.items() if name not in ("policy", "log_std"))
    assert max(float(jnp.abs(x).max()) for x in jax.tree.leaves(encoder)) > 0.01
