import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy import stats

from elsinore.nets.distributions import (
    Beta,
    Categorical,
    Normal,
    StateNoise,
    TanhNormal,
    categorical,
)
from tests.strategies import float32s

ACTIONS, DRAWS = 4, 20_000
logits_of = arrays(np.float32, (3, ACTIONS), elements=float32s(-50, 50))
masks = arrays(bool, (3, ACTIONS))
some_legal = masks.filter(lambda mask: mask.any(axis=1).all())
LOGITS, MASK = (
    jnp.array([1.0, 2.0, -1.0, 5.0]),
    jnp.array([True, True, True, False]),
)  # the likeliest is illegal


@jax.jit
def facts(logits, mask):
    """All functions of a masked categorical, and the gradients of its entropy and log_prob."""
    policy = categorical(logits, mask)
    slope = jax.grad(lambda logits: categorical(logits, mask).entropy().sum())(logits)
    drawn = policy.sample(Categorical.noise(jax.random.key(0), (3,), ACTIONS))
    chosen = jax.grad(lambda logits: categorical(logits, mask).log_prob(drawn).sum())(logits)
    return policy.log_probs, policy.entropy(), slope, drawn, policy.mode(), chosen


def draws(policy, key=0):
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (DRAWS, *x.shape)), policy)
    return np.asarray(many.sample(Categorical.noise(jax.random.key(key), (DRAWS,), ACTIONS)))


@given(logits_of, some_legal)
def test_probabilities_sum_to_one_and_an_illegal_one_is_exactly_zero(logits, mask):
    log_probs, *_ = facts(logits, mask)
    probs = np.exp(log_probs)
    np.testing.assert_allclose(probs.sum(axis=-1), 1.0, rtol=1e-5)
    assert (probs[~mask] == 0.0).all()


@given(logits_of, some_legal)
def test_neither_a_sample_nor_the_mode_is_illegal(logits, mask):
    _, _, _, drawn, mode, _ = facts(logits, mask)
    rows = np.arange(3)
    assert mask[rows, drawn].all() and mask[rows, mode].all()


@given(logits_of, masks)
def test_all_numbers_are_finite_under_any_mask(logits, mask):
    log_probs, entropy, slope, _, _, chosen = facts(logits, mask)
    assert all(np.isfinite(x).all() for x in (log_probs, entropy, slope, chosen))


@given(logits_of, some_legal)
def test_the_entropy_is_that_of_the_legal_actions(logits, mask):
    _, entropy, slope, *_ = facts(logits, mask)
    for row in range(3):
        legal = logits[row, mask[row]].astype(np.float64)
        probs = np.exp(legal - legal.max())
        np.testing.assert_allclose(entropy[row], stats.entropy(probs), rtol=1e-4, atol=1e-5)
    assert (np.asarray(slope)[~mask] == 0.0).all()


def test_with_one_legal_action_the_entropy_is_zero():
    policy = categorical(LOGITS, jnp.array([False, False, True, False]))
    assert policy.entropy() == 0.0 and policy.log_prob(jnp.array(2)) == 0.0
    assert (draws(policy) == 2).all()


def test_where_no_action_is_legal_all_are():
    nothing = categorical(LOGITS, jnp.zeros(ACTIONS, bool))
    np.testing.assert_allclose(nothing.log_probs, categorical(LOGITS).log_probs)


def test_a_masked_action_is_never_drawn_in_many_draws():
    assert 3 not in draws(categorical(LOGITS, MASK))


@pytest.mark.parametrize("mask", [None, MASK])
def test_draws_follow_the_probabilities(mask):
    policy = categorical(LOGITS, mask)
    counts = np.bincount(draws(policy), minlength=ACTIONS)
    possible = np.exp(policy.log_probs) > 0
    expected = np.exp(policy.log_probs, dtype=np.float64)[possible]
    assert stats.chisquare(counts[possible], DRAWS * expected / expected.sum()).pvalue > 1e-3


def test_log_probabilities_without_a_mask_are_the_log_softmax():
    policy = categorical(LOGITS)
    np.testing.assert_array_equal(policy.log_probs, jax.nn.log_softmax(LOGITS))
    assert policy.log_prob(jnp.array(1)) == policy.log_probs[1]


MEAN, LOG_STD = jnp.array([0.5, -2.0]), jnp.array([0.3, -1.0])
points = arrays(np.float32, 2, elements=float32s(-10, 10))


@given(points)
def test_a_normal_has_the_density_that_scipy_gives_it(action):
    ours = Normal(MEAN, LOG_STD).log_prob(jnp.asarray(action))
    theirs = stats.norm.logpdf(action, MEAN, np.exp(LOG_STD)).sum()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


def test_a_normal_has_the_entropy_that_scipy_gives_it():
    np.testing.assert_allclose(
        Normal(MEAN, LOG_STD).entropy(), stats.norm.entropy(MEAN, np.exp(LOG_STD)).sum(), rtol=1e-6
    )


def test_samples_of_a_normal_follow_it_unsquashed():
    noise = Normal.noise(jax.random.key(0), (DRAWS,), 2)
    drawn = Normal(
        jnp.broadcast_to(MEAN, (DRAWS, 2)), jnp.broadcast_to(LOG_STD, (DRAWS, 2))
    ).sample(noise)
    for i in range(2):
        z = (np.asarray(drawn[:, i], np.float64) - float(MEAN[i])) / float(jnp.exp(LOG_STD[i]))
        assert stats.kstest(z, "norm").pvalue > 1e-3
    assert np.abs(drawn).max() > 3.0
    np.testing.assert_array_equal(Normal(MEAN, LOG_STD).mode(), MEAN)


U = np.linspace(-40.0, 40.0, 400_001)


def tanh_normal(mean, log_std):
    """Density of one squashed dimension over a grid of u, and the width of a step in tanh(u)."""
    policy = TanhNormal(jnp.full((len(U), 1), mean), jnp.full((len(U), 1), log_std))
    log_density = np.asarray(policy.log_prob(jnp.asarray(U, jnp.float32)[:, None]), np.float64)
    return log_density, (U[1] - U[0]) / np.cosh(U) ** 2


@pytest.mark.parametrize("mean", [0.0, 1.5, -4.0])
@pytest.mark.parametrize("log_std", [-3.0, -1.0, 0.0, 1.0])
def test_a_squashed_density_is_one_in_all_and_has_the_entropy_that_a_sum_gives(mean, log_std):
    log_density, width = tanh_normal(mean, log_std)
    density = np.exp(log_density)
    assert np.sum(density * width) == pytest.approx(1.0, abs=1e-4)
    expected = -np.sum(np.where(density > 0, density * log_density, 0.0) * width)
    found = TanhNormal(jnp.array([mean]), jnp.array([log_std])).entropy()
    assert found == pytest.approx(expected, abs=2e-3)


WIDE = np.linspace(-12.0, 12.0, 400_001)  # deviations from the mean


def squashed_entropy(mean, log_std):
    """Of one dimension, by a sum over a fine grid in float64."""
    u = mean + np.exp(log_std) * WIDE
    p = np.exp(-0.5 * WIDE**2) / np.sqrt(2 * np.pi) * (WIDE[1] - WIDE[0])
    slope = 2 * (np.log(2) - u - np.logaddexp(0, -2 * u))
    return 0.5 + 0.5 * np.log(2 * np.pi) + log_std + np.sum(p * slope)


@pytest.mark.parametrize("mean", [0.0, 0.7, -3.0, 8.0])
@pytest.mark.parametrize("log_std", [-20.0, -2.0, -0.5, 0.0, 0.1, 0.5, 1.0, 2.0, 4.0])
def test_the_entropy_of_a_squashed_normal_and_its_slope_are_right_at_every_deviation(mean, log_std):
    policy = lambda m, s: TanhNormal(m[None], s[None]).entropy()  # noqa: E731
    found, slopes = jax.value_and_grad(policy, (0, 1))(jnp.float32(mean), jnp.float32(log_std))
    expected, step = squashed_entropy(mean, log_std), 1e-4
    assert found == pytest.approx(expected, rel=2e-6, abs=1e-5)
    by_mean = squashed_entropy(mean + step, log_std) - squashed_entropy(mean - step, log_std)
    by_std = squashed_entropy(mean, log_std + step) - squashed_entropy(mean, log_std - step)
    np.testing.assert_allclose(slopes, np.divide([by_mean, by_std], 2 * step), rtol=1e-5, atol=2e-5)


ALPHA, BETA = jnp.array([1.5, 7.0]), jnp.array([3.0, 1.2])


@given(arrays(np.float32, 2, elements=float32s(0.015625, 0.984375)))
def test_a_beta_has_the_density_that_scipy_gives_it(action):
    ours = Beta(ALPHA, BETA).log_prob(jnp.asarray(action))
    theirs = stats.beta.logpdf(action, ALPHA, BETA).sum()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_beta_has_the_entropy_and_the_mean_that_scipy_gives_it():
    policy, theirs = Beta(ALPHA, BETA), stats.beta(ALPHA, BETA)
    np.testing.assert_allclose(policy.entropy(), theirs.entropy().sum(), rtol=1e-4)
    np.testing.assert_allclose(policy.mode(), theirs.mean(), rtol=1e-6)
    assert Beta(jnp.ones(3), jnp.ones(3)).entropy() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.slow
def test_samples_of_a_beta_follow_it_within_its_bounds():
    keys = jax.random.split(jax.random.key(0), 5_000)
    rows = (jnp.broadcast_to(x, (5_000, 2)) for x in (ALPHA, BETA))
    drawn = np.asarray(jax.jit(lambda a, b: Beta(a, b).sample(keys))(*rows))
    for i in range(2):
        assert stats.kstest(drawn[:, i], stats.beta(ALPHA[i], BETA[i]).cdf).pvalue > 1e-3
    edge = Beta(jnp.full((5_000, 1), 1.0), jnp.full((5_000, 1), 1e4))
    drawn = edge.sample(keys)
    assert (drawn > 0.0).all() and jnp.isfinite(edge.log_prob(drawn)).all()


SPREAD = jnp.array([[0.5, 0.0], [0.25, 2.0], [1.0, 0.5]])


def test_noise_of_the_state_has_the_variance_of_its_density():
    """Over draws of the function it is normal, with the sum of the features' variances."""
    keys = jax.random.split(jax.random.key(0), DRAWS)
    policy = StateNoise(jnp.broadcast_to(MEAN, (DRAWS, 2)), jnp.broadcast_to(SPREAD, (DRAWS, 3, 2)))
    drawn, one = np.asarray(policy.sample(keys), np.float64), StateNoise(MEAN, SPREAD)
    deviation = np.sqrt(np.square(SPREAD).sum(axis=0))
    for i in range(2):
        assert stats.kstest((drawn[:, i] - MEAN[i]) / deviation[i], "norm").pvalue > 1e-3
    expected = stats.norm(MEAN, deviation)
    np.testing.assert_allclose(one.entropy(), expected.entropy().sum(), rtol=1e-4)
    np.testing.assert_allclose(
        one.log_prob(jnp.array([0.1, 0.2])), expected.logpdf([0.1, 0.2]).sum(), rtol=1e-4
    )


def test_one_key_is_one_function_of_the_state():
    """Twice the features, twice the noise; another key is another function."""
    key, other = jax.random.split(jax.random.key(0))
    nothing = jnp.zeros(2)
    once, twice = (StateNoise(nothing, x * SPREAD).sample(key) for x in (1.0, 2.0))
    np.testing.assert_allclose(twice, 2.0 * once, rtol=1e-5)
    assert (StateNoise(nothing, SPREAD).sample(other) != once).all()
