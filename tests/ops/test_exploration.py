import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from elsinore.ops.exploration import (
    best_action,
    best_value,
    chosen_value,
    epsilon_greedy,
    exploration_noise,
)
from tests.strategies import float32s

ACTIONS, DRAWS = 4, 20_000
Q, LEGAL = jnp.array([1.0, 9.0, 3.0, -2.0]), jnp.array([True, False, True, True])
action_values = arrays(np.float32, (3, ACTIONS), elements=float32s(-1e6, 1e6))
some_legal = arrays(bool, (3, ACTIONS)).filter(lambda mask: mask.any(axis=1).all())


@jax.jit
def draws(epsilon, legal):
    noise = exploration_noise(jax.random.key(0), (DRAWS,), ACTIONS)
    q, legal = (jnp.broadcast_to(x, (DRAWS, ACTIONS)) for x in (Q, legal))
    return epsilon_greedy(q, legal, noise, epsilon)


def test_the_best_action_is_the_best_of_the_legal():
    assert best_action(Q, None) == 1 and best_value(Q, None) == 9.0
    assert best_action(Q, LEGAL) == 2 and best_value(Q, LEGAL) == 3.0


@given(action_values, some_legal)
def test_the_best_is_that_of_numpy_over_the_legal(q, legal):
    rows, q, legal = np.where(legal, q, -np.inf), jnp.asarray(q), jnp.asarray(legal)
    np.testing.assert_array_equal(best_action(q, legal), rows.argmax(axis=1))
    np.testing.assert_array_equal(best_value(q, legal), rows.max(axis=1))


def test_where_nothing_is_legal_everything_is_and_no_worth_is_infinite():
    nothing = jnp.zeros(ACTIONS, bool)
    assert best_action(Q, nothing) == 1 and best_value(Q, nothing) == 9.0


def test_the_worth_of_an_action_is_its_own():
    np.testing.assert_array_equal(chosen_value(jnp.stack([Q, -Q]), jnp.array([2, 1])), [3.0, -9.0])


def test_without_exploration_the_best_is_taken():
    assert set(np.asarray(draws(0.0, LEGAL)).tolist()) == {2}


@pytest.mark.parametrize("epsilon", [1.0, 0.4])
def test_a_share_of_epsilon_is_spread_evenly_over_the_legal_actions(epsilon):
    counts = np.bincount(np.asarray(draws(epsilon, LEGAL)), minlength=ACTIONS)
    assert counts[1] == 0
    expected = np.array([epsilon / 3, 1 - epsilon + epsilon / 3, epsilon / 3]) * DRAWS
    assert stats.chisquare(counts[[0, 2, 3]], expected).pvalue > 1e-3


def test_whether_to_explore_says_nothing_of_which_way():
    """One number decides whether, others which: at epsilon 0.1 explorers take every action as
    often."""
    noise = exploration_noise(jax.random.key(1), (DRAWS,), ACTIONS)
    chosen = np.asarray(epsilon_greedy(jnp.zeros((DRAWS, ACTIONS)), None, noise, 0.1))[
        np.asarray(noise[:, 0] < 0.1)
    ]
    assert stats.chisquare(np.bincount(chosen, minlength=ACTIONS)).pvalue > 1e-3


@given(action_values, some_legal, float32s(0, 1), st.integers(0, 1_000))
def test_whatever_is_drawn_is_legal(q, legal, epsilon, seed):
    chosen = jitted(q, legal, np.float32(epsilon), seed)
    assert legal[np.arange(3), np.asarray(chosen)].all()


@jax.jit
def jitted(q, legal, epsilon, seed):
    return epsilon_greedy(q, legal, exploration_noise(jax.random.key(seed), (3,), ACTIONS), epsilon)
