import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.config import NetworkConfig
from elsinore.nets.encoders import ACTIVATIONS, CNN, MLP, dense, flatten, patches
from elsinore.nets.initialisation import initialise

KEY = jax.random.key(0)


def gram_over_gain(kernel):
    """W^T W or W W^T, whichever is the smaller."""
    matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1])
    return matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T


@pytest.mark.parametrize("network", [MLP((16, 8)), CNN((16,), (8,))])
def test_hidden_weights_are_orthogonal_with_gain_sqrt_2_and_biases_zero(network):
    params = initialise(network, KEY, jnp.ones((6, 6, 2)))
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if "bias" in str(path):
            assert (leaf == 0.0).all()
        else:
            gram = gram_over_gain(leaf)
            np.testing.assert_allclose(gram, 2.0 * np.eye(len(gram)), atol=1e-5)


def test_any_observation_is_one_vector_of_floats_without_its_mask():
    obs = {
        "action_mask": jnp.ones(9, bool),
        "cells": jnp.array([[1, 2], [3, 4]], jnp.int8),
        "lamp": jnp.array(True),
        "meters": (jnp.array(0.5), jnp.array([0.25])),
    }
    vector = flatten(obs)
    assert vector.dtype == jnp.float32
    np.testing.assert_array_equal(vector, [1.0, 2.0, 3.0, 4.0, 1.0, 0.5, 0.25])


def test_an_image_of_10_by_10_by_4_keeps_its_neighbourhoods():
    params = initialise(CNN((16,), (128,)), KEY, jnp.ones((10, 10, 4), bool))["params"]
    assert params["Dense_0"]["kernel"].shape == (3 * 3 * 4, 16)
    # 3x3 without padding: 10 -> 8
    assert params["MLP_0"]["Dense_0"]["kernel"].shape == (8 * 8 * 16, 128)
    assert CNN((16,), (128,)).apply({"params": params}, jnp.ones((10, 10, 4), bool)).shape == (128,)


def test_a_dense_layer_on_patches_is_a_convolution():
    image = jax.random.normal(KEY, (10, 10, 4))
    kernel = jax.random.normal(jax.random.fold_in(KEY, 1), (3, 3, 4, 16))
    convolved = jax.lax.conv_general_dilated(
        image[None], kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
    np.testing.assert_allclose(
        patches(image) @ kernel.reshape(-1, 16), convolved, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation_is_the_named_function(activation):
    network = MLP((4,), activation)
    x = jnp.array([0.5, -1.0])
    params = initialise(network, KEY, x)
    kernel = params["params"]["Dense_0"]["kernel"]
    expected = {
        "tanh": np.tanh,
        "relu": lambda x: np.maximum(x, 0),
        "silu": jax.nn.silu,
        "gelu": jax.nn.gelu,
    }
    np.testing.assert_allclose(  # pyright: ignore[reportCallIssue]
        network.apply(params, x), expected[activation](x @ kernel), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "network", [MLP((16, 8), dtype=jnp.bfloat16), CNN((4,), (8,), dtype=jnp.bfloat16)]
)
def test_in_bfloat16_products_are_rounded_and_parameters_and_sums_are_not(network):
    obs = jax.random.normal(KEY, (6, 6, 2))
    params = initialise(network, KEY, obs)
    assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    products = [
        (str(e.invars[0].aval.dtype), str(e.outvars[0].aval.dtype))
        for e in jax.make_jaxpr(network.apply)(params, obs).eqns
        if e.primitive.name == "dot_general"
    ]
    assert products and set(products) == {("bfloat16", "float32")}
    plain = type(network)(**{**vars_of(network), "dtype": None})
    found, expected = network.apply(params, obs), plain.apply(params, obs)
    assert found.dtype == jnp.float32 and (found != expected).any()
    np.testing.assert_allclose(found, expected, atol=0.05)
    gradient = jax.grad(lambda params: network.apply(params, obs).sum())(params)
    assert {x.dtype for x in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}


def vars_of(network):
    names = ("channels", "hidden", "activation", "layer_norm")
    return {name: getattr(network, name) for name in names if hasattr(network, name)}


def test_a_sum_of_many_ones_in_bfloat16_is_their_number():
    """Summed in bfloat16 it would stay at 256, which has no room for one more."""
    layer = dense(1, 1.0, dtype=jnp.bfloat16)
    ones = {"params": {"kernel": jnp.ones((4096, 1)), "bias": jnp.zeros(1)}}
    assert layer.apply(ones, jnp.ones(4096))[0] == 4096.0


def test_a_bfloat16_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="dtype='float16' is unknown; choose float32 or bfloat16"):
        NetworkConfig(dtype="float16")
    with pytest.raises(ValueError, match="dtype='bfloat16' applies to the built-in encoders"):
        NetworkConfig(dtype="bfloat16", encoder="elsinore.worlds.balatro.nets:CARDS")
