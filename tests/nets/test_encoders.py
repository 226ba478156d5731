import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.encoders import ACTIVATIONS, CNN, MLP, flatten, patches
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
    np.testing.assert_allclose(
        network.apply(params, x), expected[activation](x @ kernel), rtol=1e-5, atol=1e-6
    )
