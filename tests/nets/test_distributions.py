import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from elsinore.nets.distributions import Categorical, Normal, categorical

ACTIONS, DRAWS = 4, 20_000
logits_of = arrays(np.float32, (3, ACTIONS), elements=st.floats(-50, 50, width=32))
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
points = arrays(np.float32, 2, elements=st.floats(-10, 10, width=32))


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
