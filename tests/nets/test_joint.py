"""Joint distributions of several choices, and their head."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import arrays
from scipy import stats

from elsinore.envs.spaces import MultiDiscrete
from elsinore.nets.distributions import Joint, categorical, joint
from elsinore.nets.heads import head_for
from tests.strategies import float32s

SIZES = (3, 1, 2)
ENDS = np.cumsum(SIZES)[:-1]
EVERY = jnp.array(list(itertools.product(*map(range, SIZES))))
logits_of = arrays(np.float32, 6, elements=float32s(-20, 20))
masks = arrays(bool, 6)


@jax.jit
def facts(logits, mask):
    policy = joint(logits, SIZES, mask)
    everywhere = jax.tree.map(lambda x: jnp.broadcast_to(x, (len(EVERY), *x.shape)), policy)
    slope = jax.grad(lambda logits: joint(logits, SIZES, mask).entropy())(logits)
    drawn = policy.sample(Joint.noise(jax.random.key(0), (), SIZES))
    return everywhere.log_prob(EVERY), policy.entropy(), slope, drawn, policy.mode()


def parts(logits, mask):
    """One categorical for each choice."""
    return [
        categorical(x, m)
        for x, m in zip(jnp.split(logits, ENDS), jnp.split(mask, ENDS), strict=True)
    ]


@given(logits_of, masks)
def test_it_is_as_many_independent_categoricals(logits, mask):
    """Also where a choice has no legal option: then exactly its own options are legal."""
    log_prob, entropy, slope, drawn, mode = facts(logits, mask)
    alone = parts(logits, jnp.asarray(mask))
    expected = [
        sum(float(p.log_probs[a]) for p, a in zip(alone, action, strict=True))
        for action in EVERY.tolist()
    ]
    np.testing.assert_allclose(np.exp(log_prob), np.exp(expected), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.exp(log_prob).sum(), 1.0, rtol=1e-4)
    np.testing.assert_allclose(
        entropy, sum(float(p.entropy()) for p in alone), rtol=1e-4, atol=1e-4
    )
    assert np.isfinite(slope).all()
    for chosen in (drawn, mode):
        for part, a in zip(alone, chosen.tolist(), strict=True):
            assert a < part.legal.size and part.legal[a]


def test_draws_follow_the_probabilities():
    logits = jnp.array([0.5, -1.0, 0.0, 3.0, 1.0, 0.0])
    many = joint(jnp.broadcast_to(logits, (20_000, 6)), SIZES)
    drawn = np.asarray(many.sample(Joint.noise(jax.random.key(0), (20_000,), SIZES)))
    expected = np.exp(facts(logits, jnp.ones(6, bool))[0], dtype=np.float64)
    counts = np.array([(drawn == np.asarray(action)).all(axis=1).sum() for action in EVERY])
    assert stats.chisquare(counts, 20_000 * expected / expected.sum()).pvalue > 1e-3


def test_the_head_of_several_choices_needs_an_output_an_option():
    head = head_for(MultiDiscrete(SIZES))
    assert head.num_outputs == 6 and not head.continuous
    policy = head.distribution(jnp.zeros((5, 6)), None)
    action = policy.sample(head.noise(jax.random.key(0), (5,)))
    assert action.shape == (5, 3) and policy.log_prob(action).shape == policy.entropy().shape == (
        5,
    )
    np.testing.assert_array_equal(head.env_action(action), action)


def test_the_mask_of_several_choices_is_theirs_in_a_row():
    mask = jnp.array([False, True, False, True, True, False])
    policy = head_for(MultiDiscrete(SIZES)).distribution(jnp.zeros(6), {"action_mask": mask})
    np.testing.assert_array_equal(policy.mode(), [1, 0, 0])
    assert policy.entropy() == 0.0
