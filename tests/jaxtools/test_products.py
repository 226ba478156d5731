"""Gradients with quick matrix products: the same numbers, in another form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.jaxtools.products import product_of_columns, with_quick_products
from tests.devices import needs_cpu_programs

BATCH = 24


def layer(inputs: int, outputs: int) -> tuple[jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(0), 2)
    shapes = (inputs, outputs), (BATCH, inputs)
    weights, x = (jax.random.normal(k, shape) for k, shape in zip(keys, shapes, strict=True))
    return weights, x


def loss(weights: jax.Array, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    hidden = jnp.tanh(jax.vmap(lambda row: row @ weights)(x))
    return jnp.square(hidden).mean(), {"largest": hidden.max()}


def products(function, *args) -> list[tuple]:
    """The contracted axes of the matrix products of a function, in order."""
    eqns = jax.make_jaxpr(function)(*args).jaxpr.eqns
    return [
        eqn.params["dimension_numbers"][0] for eqn in eqns if eqn.primitive.name == "dot_general"
    ]


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (16, 2), (2, 16), (9, 1)])
def test_a_gradient_with_quick_products_is_the_gradient(inputs, outputs):
    gradient, args = jax.grad(loss, has_aux=True), layer(inputs, outputs)
    expected, aux = jax.jit(gradient)(*args)
    found, aux_found = jax.jit(with_quick_products(gradient))(*args)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert aux_found == aux


@needs_cpu_programs
def test_the_product_of_columns_is_one_of_rows_where_a_layer_is_not_narrow():
    gradient, args = jax.grad(loss, has_aux=True), layer(16, 16)
    assert products(gradient, *args) == [((1,), (0,)), ((0,), (0,))]
    assert products(with_quick_products(gradient), *args) == [((1,), (0,)), ((1,), (0,))]


@needs_cpu_programs
def test_the_product_of_a_narrow_layer_is_kept_as_it_is_by_a_barrier():
    gradient, args = jax.grad(loss, has_aux=True), layer(16, 2)
    eqns = jax.make_jaxpr(with_quick_products(gradient))(*args).jaxpr.eqns
    kept = [eqn.invars[0].aval.shape for eqn in eqns if "barrier" in eqn.primitive.name]
    assert kept == [(2, 16)]


def test_a_product_of_columns_is_that_of_numpy():
    g, x = layer(6, BATCH)[0].T, layer(5, 3)[1]
    np.testing.assert_allclose(product_of_columns(g, x), np.asarray(g).T @ x, rtol=1e-5, atol=1e-6)


def test_integers_and_products_over_another_axis_stay():
    def function(x):
        return x.T @ x, x.astype(jnp.int32).T @ x.astype(jnp.int32), x @ x.T

    x = jnp.arange(12.0).reshape(4, 3)
    for found, expected in zip(with_quick_products(function)(x), function(x), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_gradients_of_a_batch_of_seeds_are_those_of_each():
    gradient = with_quick_products(jax.grad(loss, has_aux=True))
    weights, x = layer(8, 8)
    stacked = jnp.stack([weights, 2 * weights])
    found = jax.vmap(gradient, (0, None))(stacked, x)[0]
    for i in range(2):
        np.testing.assert_allclose(found[i], gradient(stacked[i], x)[0], rtol=1e-5, atol=1e-7)
