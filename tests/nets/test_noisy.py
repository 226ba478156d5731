"""Noisy weights: the mean without noise, and draws of the deviation that was asked for."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.build import q_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.noisy import perturbed, with_noise
from elsinore.ops.exploration import factorised_noise

OBS, KEY = jnp.arange(3.0), jax.random.key(0)
PLAIN = q_network(NetworkConfig(hidden=(8,), layer_norm=True), 2, OBS, dueling=True)
NOISY = with_noise(PLAIN, 0.5)
PARAMS = NOISY.init(KEY, OBS)


def test_factorised_noise_is_the_product_of_signed_roots():
    kernel, bias = factorised_noise(jnp.array([4.0, -9.0]), jnp.array([1.0, -16.0]))
    np.testing.assert_allclose(kernel, [[2.0, -8.0], [-3.0, 12.0]])
    np.testing.assert_allclose(bias, [1.0, -4.0])


def test_without_a_draw_it_computes_what_the_plain_network_does():
    plain = PLAIN.init(KEY, OBS)
    jax.tree.map(np.testing.assert_array_equal, PARAMS["mean"], plain)
    rows = jnp.stack([OBS, -OBS])
    np.testing.assert_array_equal(NOISY.step(PARAMS, (), rows)[1], PLAIN.step(plain, (), rows)[1])


def test_each_dense_layer_has_a_deviation_by_its_inputs_and_normalisation_has_none():
    layers = PARAMS["deviation"]["params"]
    assert set(layers) == {"MLP_0", "advantage", "value"}
    assert set(layers["MLP_0"]) == {"Dense_0"}
    for layer, inputs in ((layers["MLP_0"]["Dense_0"], 3), (layers["advantage"], 8)):
        for x in (layer["kernel"], layer["bias"]):
            np.testing.assert_allclose(x, 0.5 / np.sqrt(inputs), rtol=1e-6)


def test_draws_are_around_the_mean_with_the_deviation():
    """The noise of a weight is f(e_i) f(e_j): its variance is (E|e|)^2 = 2 / pi."""
    draws = jax.jit(jax.vmap(lambda key: perturbed(PARAMS, key)["mean"]))(
        jax.random.split(KEY, 20_000)
    )
    for part, variance in (("kernel", 2.0 / np.pi), ("bias", np.sqrt(2.0 / np.pi))):
        drawn = draws["params"]["MLP_0"]["Dense_0"][part]
        mean = PARAMS["mean"]["params"]["MLP_0"]["Dense_0"][part]
        np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.01)
        np.testing.assert_allclose(drawn.std(axis=0), np.sqrt(variance / 12.0), rtol=0.05)


def test_a_draw_does_not_depend_on_the_order_in_which_layers_are_held():
    """A dictionary comes back from a checkpoint, or from jit, with its keys sorted."""
    turned = jax.tree.map(lambda x: x, PARAMS)
    turned["deviation"] = {"params": dict(reversed(PARAMS["deviation"]["params"].items()))}
    a, b = perturbed(PARAMS, KEY), perturbed(turned, KEY)
    jax.tree.map(np.testing.assert_array_equal, a["mean"], b["mean"])


def test_the_deviation_is_learnt():
    loss = lambda params: jnp.sum(NOISY.step(perturbed(params, KEY), (), OBS[None])[1] ** 2)  # noqa: E731
    gradient = jax.grad(loss)(PARAMS)["deviation"]["params"]
    assert float(jnp.abs(gradient["advantage"]["kernel"]).sum()) > 0.0


def test_a_network_without_dense_layers_is_refused():
    class Table(nn.Module):
        num_outputs: int

        @nn.compact
        def __call__(self, obs):
            q = self.param("q", nn.initializers.zeros, (self.num_outputs,))
            return q, jnp.max(q)

    table = q_network(NetworkConfig(), 2, OBS, custom=Table)
    with pytest.raises(ValueError, match="algo.noisy=True needs a network with dense layers"):
        with_noise(table, 0.5).init(KEY, OBS)
