from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.ops.schedules import anneal, exponential, linear


@pytest.mark.parametrize(
    ("progress", "value"), [(0.0, 1.0), (0.25, 0.8), (1.0, 0.2), (1.5, 0.2), (-1.0, 1.0)]
)
def test_a_line_goes_from_one_end_to_the_other_and_stays_within(progress, value):
    assert linear(1.0, 0.2, progress) == pytest.approx(value)


@given(st.floats(-10, 10), st.floats(-10, 10), st.floats(0, 1))
def test_a_line_is_numpys(start, end, progress):
    np.testing.assert_allclose(
        linear(start, end, progress), np.interp(progress, [0, 1], [start, end]), atol=1e-5
    )


@pytest.mark.parametrize(
    ("count", "value"), [(0, 1.0), (1, 0.5), (3, 0.125), (4, 0.1), (2**31 - 1, 0.1)]
)
def test_a_decay_halves_each_time_and_stops_at_its_end(count, value):
    assert jax.jit(exponential)(1.0, 0.1, 0.5, jnp.int32(count)) == pytest.approx(value)


def test_a_decay_of_one_changes_nothing():
    assert exponential(0.7, 0.1, 1.0, jnp.int32(10**6)) == jnp.float32(0.7)


class Hyper(NamedTuple):
    rate: float
    rate_final: float
    gamma: float


@pytest.mark.parametrize(("progress", "rate"), [(0.0, 1.0), (0.25, 0.8), (1.0, 0.2), (2.0, 0.2)])
def test_annealing_moves_the_named_fields_only(progress, rate):
    annealed = anneal(Hyper(1.0, 0.2, 0.99), progress, "rate")
    assert annealed == (pytest.approx(rate), 0.2, 0.99)
