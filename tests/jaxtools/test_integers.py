"""Division of whole numbers that are not negative."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from elsinore.jaxtools.integers import quotient, remainder

numbers = st.lists(st.integers(0, 2**31 - 1), min_size=4, max_size=4)


@given(numbers, st.integers(1, 2**31 - 1))
def test_they_are_what_python_says(values, n):
    x = jnp.asarray(values, jnp.int32)
    np.testing.assert_array_equal(quotient(x, n), [value // n for value in values])
    np.testing.assert_array_equal(remainder(x, n), [value % n for value in values])


def test_the_type_is_kept():
    x = jnp.asarray([7, 200], jnp.uint8)
    assert quotient(x, 3).dtype == remainder(x, 3).dtype == jnp.uint8
    assert quotient(7, 3) == 2 and remainder(np.int8(7), 3) == 1
