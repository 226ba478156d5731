"""Rectified Adam beside optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from elsinore.algos.radam import scale_by_radam


@pytest.mark.parametrize("eps", [1e-8, 1e-3])
def test_the_steps_are_those_of_optax(eps):
    """Over the first steps, which are not adapted, and those after them."""
    gradients = jax.random.normal(jax.random.key(0), (40, 7)) * jnp.arange(7.0)
    ours, theirs = scale_by_radam(eps), optax.scale_by_radam(eps=eps)

    def steps(scaling):
        def step(state, gradient):
            update, state = scaling.update(gradient, state)
            return state, update

        return jax.lax.scan(step, scaling.init(jnp.zeros(7)), gradients)

    (our_state, our_steps), (state, expected) = steps(ours), steps(theirs)
    np.testing.assert_allclose(np.asarray(our_steps), np.asarray(expected), rtol=2e-6)
    assert np.abs(np.asarray(expected)[:, 1:]).min() > 0
    assert jax.tree.structure(our_state) == jax.tree.structure(state)
    for x, y in zip(jax.tree.leaves(our_state), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(x, y)
