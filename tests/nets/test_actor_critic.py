from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

from elsinore.nets.build import actor_critic_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.encoders import NatureCNN
from elsinore.nets.heads import head_for
from elsinore.nets.initialisation import initialise
from elsinore.nets.network import Network
from tests.devices import exact_products

KEY, OBS = jax.random.key(0), jnp.array([0.5, -1.0, 2.0])
DISCRETE, CONTINUOUS = head_for(spaces.Discrete(4)), head_for(spaces.Box(-1.0, 1.0, (2,)))


class Alone(NamedTuple):
    """A network applied to one observation."""

    network: Network

    def apply(self, params, obs):
        batch = jax.tree.map(lambda x: jnp.asarray(x)[None], obs)
        return jax.tree.map(lambda x: x[0], self.network.step(params, (), batch)[1:])


def made(head=DISCRETE, obs=OBS, custom=None, **config):
    network = actor_critic_network(NetworkConfig(**config), head, obs, custom)
    return Alone(network), network.init(KEY, obs)


def size(params) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def moved_by(network, params, part) -> set[str]:
    """Names of the layers with a gradient, of the outputs (part 0) or of the value (part 1)."""
    gradient = jax.grad(lambda params: jnp.sum(network.apply(params, OBS)[part]))(params)["params"]
    return {
        name
        for name, layer in gradient.items()
        if any(leaf.any() for leaf in jax.tree.leaves(layer))
    }


@pytest.mark.parametrize(("head", "num_outputs"), [(DISCRETE, 4), (CONTINUOUS, 4)])
def test_one_observation_gives_the_heads_outputs_and_one_value(head, num_outputs):
    network, params = made(head)
    outputs, value = network.apply(params, OBS)
    assert outputs.shape == (num_outputs,) and value.shape == ()


@exact_products
def test_the_first_policy_is_nearly_uniform_and_the_gain_of_the_critic_is_one():
    _, params = made(hidden=(16,))
    policy, value = params["params"]["policy"], params["params"]["value"]
    np.testing.assert_allclose(
        policy["kernel"].T @ policy["kernel"], 0.01**2 * np.eye(4), atol=1e-8
    )
    np.testing.assert_allclose(value["kernel"].T @ value["kernel"], [[1.0]], rtol=1e-5)
    assert not policy["bias"].any() and not value["bias"].any()


def test_log_std_starts_at_initial_log_std_and_does_not_depend_on_the_state():
    network, params = made(CONTINUOUS, initial_log_std=-0.5)
    for obs in (OBS, -3 * OBS):
        np.testing.assert_array_equal(network.apply(params, obs)[0][2:], [-0.5, -0.5])


def test_separate_trunks_share_no_gradient():
    network, params = made(hidden=(8, 8))
    assert moved_by(network, params, 0) == {"MLP_0", "policy"}
    assert moved_by(network, params, 1) == {"MLP_1", "value"}


def test_a_shared_trunk_is_read_by_both_heads():
    network, params = made(hidden=(8, 8), shared=True)
    assert moved_by(network, params, 0) == {"MLP_0", "policy"}
    assert moved_by(network, params, 1) == {"MLP_0", "value"}


def test_a_shared_trunk_saves_the_parameters_of_one():
    separate, shared = made(hidden=(8, 8))[1], made(hidden=(8, 8), shared=True)[1]
    assert (
        size(separate) - size(shared)
        == size(separate["params"]["MLP_1"])
        == (3 * 8 + 8) + (8 * 8 + 8)
    )


def test_separate_trunks_begin_differently():
    params = made()[1]["params"]
    assert (params["MLP_0"]["Dense_0"]["kernel"] != params["MLP_1"]["Dense_0"]["kernel"]).any()


@pytest.mark.parametrize("encoder", ["auto", "cnn"])
def test_an_image_is_encoded_by_convolutions(encoder):
    network, params = made(obs=jnp.ones((10, 10, 4)), encoder=encoder)
    assert "CNN_0" in params["params"] and "MLP_0" not in params["params"]
    outputs, value = network.apply(params, jnp.ones((10, 10, 4)))
    assert outputs.shape == (4,) and value.shape == ()


def test_the_convolutions_of_mnih_have_their_sizes_and_read_pixels_as_shares():
    """Sizes and parameters as published: 20 x 20, 9 x 9 and 7 x 7; 1,684,128 without the head."""
    image = jax.random.randint(jax.random.key(1), (84, 84, 4), 0, 256).astype(jnp.uint8)
    network = NatureCNN(hidden=(512,))
    params = initialise(network, KEY, image)
    assert sum(x.size for x in jax.tree.leaves(params)) == 1_684_128
    features = network.apply(params, image)
    shares = network.apply(params, image.astype(jnp.float32) / 255.0)
    np.testing.assert_array_equal(features, shares)
    x = image.astype(jnp.float32)[None] / 255.0
    for i, (width, size, stride) in enumerate([(32, 8, 4), (64, 4, 2), (64, 3, 1)]):
        layer, n = params["params"][f"Dense_{i}"], size // stride
        kernel = layer["kernel"].reshape(n, n, stride, stride, x.shape[-1], width).swapaxes(1, 2)
        x = jax.lax.conv_general_dilated(
            x,
            kernel.reshape(size, size, x.shape[-1], width),
            (stride, stride),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x + layer["bias"])
    assert x.shape == (1, 7, 7, 64)
    layer = params["params"]["MLP_0"]["Dense_0"]
    expected = jax.nn.relu(x.ravel() @ layer["kernel"] + layer["bias"])
    np.testing.assert_allclose(np.asarray(features), np.asarray(expected), rtol=1e-4, atol=1e-4)


def test_the_convolutions_of_mnih_multiply_in_bfloat16_and_add_up_in_float32():
    image = jax.random.randint(jax.random.key(1), (36, 36, 2), 0, 256).astype(jnp.uint8)
    whole, half = NatureCNN(hidden=(8,)), NatureCNN(hidden=(8,), dtype=jnp.bfloat16)
    params = initialise(whole, KEY, image)
    loss = lambda params, net: jnp.sum(net.apply(params, image) ** 2)  # noqa: E731
    assert half.apply(params, image).dtype == jnp.float32
    slopes, exact = jax.grad(loss)(params, half), jax.grad(loss)(params, whole)
    for slope, near in zip(*map(jax.tree.leaves, (slopes, exact)), strict=True):
        assert slope.dtype == jnp.float32
        scale = float(jnp.abs(near).max())
        np.testing.assert_allclose(np.asarray(slope), np.asarray(near), rtol=0.1, atol=0.05 * scale)
    assert (half.apply(params, image) != whole.apply(params, image)).any()


def test_images_that_are_too_small_for_them_are_refused():
    with pytest.raises(ValueError, match=r"at least 36 x 36.* are \[35, 84, 4\]; use encoder: cnn"):
        made(obs=jnp.ones((35, 84, 4)), encoder="nature")
    network, params = made(obs=jnp.ones((36, 36, 1)), encoder="nature")
    assert "NatureCNN_0" in params["params"]
    assert network.apply(params, jnp.ones((36, 36, 1)))[0].shape == (4,)


def test_an_image_can_be_read_flat():
    assert "MLP_0" in made(obs=jnp.ones((10, 10, 4)), encoder="mlp")[1]["params"]


@pytest.mark.parametrize("encoder", ["cnn", "nature"])
@pytest.mark.parametrize("obs", [jnp.ones(4), {"seen": jnp.ones((3, 3, 1))}], ids=["flat", "dict"])
def test_a_cnn_refuses_observations_that_are_no_images(obs, encoder):
    with pytest.raises(
        ValueError, match=rf"encoder='{encoder}' needs .*\[height, width, channel\].*encoder: mlp"
    ):
        made(obs=obs, encoder=encoder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("encoder", "rnn"),
        ("activation", "tan"),
        ("hidden", ()),
        ("hidden", (64, 0)),
        ("channels", ()),
    ],
)
def test_impossible_settings_are_refused(field, value):
    shown = repr(list(value) if isinstance(value, tuple) else value)
    with pytest.raises(ValueError) as refusal:
        NetworkConfig(**{field: value})
    assert f"{field}={shown}" in str(refusal.value)


def test_a_custom_network_gets_the_number_of_outputs_of_the_head():
    class Own(nn.Module):
        num_outputs: int

        @nn.compact
        def __call__(self, obs):
            return nn.Dense(self.num_outputs)(obs), jnp.sum(obs)

    network, params = made(CONTINUOUS, custom=Own)
    outputs, value = network.apply(params, OBS)
    assert outputs.shape == (4,) and value == 1.5
