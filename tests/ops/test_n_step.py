import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elsinore.ops.advantages import n_step_return
from tests.strategies import float32s

LIVE, DIE, CUT = (False, False), (True, False), (False, True)
n_step = jax.jit(n_step_return)


def of_three(*ends, gamma=0.5):
    """Rewards 1, 2, 4, and how each step ended."""
    terminated, truncated = (jnp.array([flags]) for flags in zip(*ends, strict=True))
    return tuple(
        float(x[0]) for x in n_step(jnp.array([[1.0, 2.0, 4.0]]), terminated, truncated, gamma)
    )


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((LIVE, LIVE, LIVE), (1 + 0.5 * 2 + 0.25 * 4, 0.125, 2)),
        ((LIVE, DIE, LIVE), (1 + 0.5 * 2, 0.0, 1)),
        ((LIVE, CUT, LIVE), (1 + 0.5 * 2, 0.25, 1)),
        ((DIE, CUT, DIE), (1, 0.0, 0)),
        ((CUT, DIE, LIVE), (1, 0.5, 0)),
        ((LIVE, LIVE, DIE), (1 + 0.5 * 2 + 0.25 * 4, 0.0, 2)),
        ((LIVE, LIVE, CUT), (1 + 0.5 * 2 + 0.25 * 4, 0.125, 2)),
    ],
    ids=[
        "nothing ends",
        "death",
        "time limit",
        "death at once",
        "cut at once",
        "death at last",
        "cut at last",
    ],
)
def test_it_counts_up_to_the_first_end_and_only_death_has_no_future(ends, expected):
    assert of_three(*ends) == expected


def test_without_a_future_only_the_first_reward_counts():
    assert of_three(LIVE, LIVE, LIVE, gamma=0.0) == (1.0, 0.0, 2)


@given(
    arrays(np.float32, (3, 5), elements=float32s(-10, 10)),
    arrays(np.int8, (3, 5), elements=st.sampled_from([0, 0, 0, 1, 2])),
    float32s(0, 1),
)
def test_it_is_what_a_loop_would_sum(reward, end, gamma):
    total, discount, last = n_step(reward, end == 1, end == 2, gamma)
    for row in range(3):
        expected, weight = 0.0, 1.0
        for k in range(5):
            expected, weight = expected + weight * float(reward[row, k]), weight * gamma
            if end[row, k]:
                break
        np.testing.assert_allclose(total[row], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            discount[row], 0.0 if end[row, k] == 1 else weight, rtol=1e-5, atol=1e-30
        )
        assert last[row] == k
