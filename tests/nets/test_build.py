"""Building networks from settings, and the settings that are refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.build import actor_and_critics, actor_critic_network, q_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import discrete_head

KEY, OBS, HEAD = jax.random.key(0), jnp.array([0.5, -1.0]), discrete_head(3)


def values(dueling=False, **config):
    net = q_network(NetworkConfig(hidden=(8,), **config), 3, OBS, dueling)
    params = net.init(KEY, OBS)
    return net, params, net.step(params, (), OBS[None])


@pytest.mark.parametrize("dueling", [False, True])
def test_the_value_is_the_largest_action_value(dueling):
    _, _, (carry, q, value) = values(dueling)
    assert carry == () and q.shape == (1, 3)
    np.testing.assert_array_equal(value, q.max(axis=1))


def test_dueling_subtracts_the_mean_advantage():
    """Q = V + A - mean(A): adding a number to every advantage changes nothing; to V, all of
    them."""
    net, params, (_, q, _) = values(dueling=True)
    layers = params["params"]
    for name, moved in (("advantage", 0.0), ("value", 5.0)):
        bias = {**layers[name], "bias": layers[name]["bias"] + 5.0}
        shifted = net.step({"params": {**layers, name: bias}}, (), OBS[None])[1]
        np.testing.assert_allclose(shifted, q + moved, rtol=1e-5, atol=1e-5)
    features = {
        "params": {**layers, "advantage": jax.tree.map(jnp.zeros_like, layers["advantage"])}
    }
    alone = net.step(features, (), OBS[None])[1]
    np.testing.assert_allclose(alone[0], q.mean(), rtol=1e-4, atol=1e-5)  # so V is the mean


def test_value_based_algorithms_refuse_a_recurrent_network():
    with pytest.raises(ValueError, match=r"network with gru=8 is recurrent"):
        q_network(NetworkConfig(gru=8), 3, OBS)


@pytest.mark.parametrize("gru", [0, -1])
def test_a_recurrent_layer_without_width_is_refused(gru):
    with pytest.raises(ValueError, match=rf"gru={gru} must be a width from 1 to 65536; null"):
        NetworkConfig(gru=gru)


@pytest.mark.parametrize("initial_log_std", [-21.0, 100.0, float("inf"), float("nan")])
def test_a_deviation_that_no_policy_can_have_is_refused(initial_log_std):
    with pytest.raises(ValueError, match=f"initial_log_std={initial_log_std} must be from -20 to"):
        NetworkConfig(initial_log_std=initial_log_std)


class Fixed(nn.Module):
    """A custom network that reads images of any size."""

    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return jnp.zeros(self.num_outputs), jnp.float32(0.0)


@pytest.mark.parametrize(
    ("shape", "channels"), [((2, 2, 1), (4,)), ((5, 4, 1), (4, 4)), ((10, 10, 0), (4,))]
)
def test_an_image_of_which_convolutions_leave_nothing_is_refused(shape, channels):
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    message = rf"channels=\[{', '.join(map(str, channels))}\] leaves nothing of .*encoder: mlp"
    with pytest.raises(ValueError, match=message):
        q_network(NetworkConfig(channels=channels), 3, image)
    assert q_network(NetworkConfig(channels=channels), 3, image, custom=lambda n: Fixed(n))
    if 0 not in shape:
        q_network(NetworkConfig(channels=channels, encoder="mlp"), 3, image)


@pytest.mark.parametrize("obs", [jnp.zeros(0), {"action_mask": jnp.ones(3, bool)}], ids=str)
def test_an_observation_without_numbers_is_refused(obs):
    with pytest.raises(ValueError, match="observations hold no numbers beside an action_mask"):
        q_network(NetworkConfig(), 3, obs)


class Own(nn.Module):
    """A custom network with outputs of any shape."""

    num_outputs: int
    extra: int = 0
    value_shape: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs + self.extra)(obs), jnp.zeros(self.value_shape)


class Recurrent(nn.Module):
    num_outputs: int
    grows: bool = False

    def initial_carry(self):
        return jnp.zeros(2)

    @nn.compact
    def __call__(self, carry, obs):
        outputs = nn.Dense(self.num_outputs)(jnp.append(obs, carry[:2]))
        return jnp.append(carry, 1.0) if self.grows else carry + 1.0, (outputs, jnp.sum(carry))


class Single(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs)(obs)


def makers():
    yield lambda custom: actor_critic_network(NetworkConfig(), HEAD, OBS, custom)
    yield lambda custom: q_network(NetworkConfig(), 3, OBS, custom=custom)


@pytest.mark.parametrize("make", makers(), ids=["actor-critic", "q"])
def test_a_custom_network_without_a_value_is_refused_with_what_it_returns(make):
    with pytest.raises(
        ValueError,
        match=r"network Single must return .* returns float32\[3\]; in algo.network.cus",
    ):
        make(Single)


@pytest.mark.parametrize("make", makers(), ids=["actor-critic", "q"])
@pytest.mark.parametrize(
    ("own", "gives"),
    [
        ({"extra": 1}, r"it returns \[4\] and \[\]"),
        ({"value_shape": (1,)}, r"it returns \[3\] and \[1\]"),
    ],
)
def test_a_custom_network_with_wrong_shapes_is_refused_with_its_shapes(make, own, gives):
    with pytest.raises(
        ValueError, match=rf"network Own must return \(outputs \[3\], value \[\]\).*; {gives}"
    ):
        make(lambda num_outputs: Own(num_outputs, **own))


@pytest.mark.parametrize("memory", ["gru", "lstm", "lru"])
def test_a_recurrent_layer_beside_a_custom_network_is_refused(memory):
    config = NetworkConfig(**{memory: 8})
    for make in (
        lambda custom: actor_critic_network(config, HEAD, OBS, custom),
        lambda custom: q_network(config, 3, OBS, custom=custom),
    ):
        with pytest.raises(ValueError, match=rf"algo.network.{memory}=8 applies to the built-in"):
            make(lambda n: Fixed(n))


def test_a_custom_network_may_be_recurrent():
    net = actor_critic_network(NetworkConfig(), HEAD, OBS, Recurrent)
    carry, outputs, value = net.step(net.init(KEY, OBS), jnp.ones((5, 2)), jnp.ones((5, 2)))
    assert net.recurrent and outputs.shape == (5, 3)
    np.testing.assert_array_equal(carry, 2 * np.ones((5, 2)))
    np.testing.assert_array_equal(value, 2 * np.ones(5))


def test_a_carry_that_grows_is_refused():
    with pytest.raises(
        ValueError,
        match=r"network Recurrent must return \(carry, .*the carry it returns is float32\[3\],",
    ):
        actor_critic_network(
            NetworkConfig(), HEAD, OBS, lambda num_outputs: Recurrent(num_outputs, grows=True)
        )


def test_value_based_algorithms_refuse_a_custom_recurrent_network():
    named = rf"algo.network with custom='{__name__}:Recurrent' is recurrent, which this algorithm"
    with pytest.raises(ValueError, match=named):
        q_network(NetworkConfig(), 3, OBS, custom=Recurrent)


def test_a_custom_network_is_not_made_dueling():
    with pytest.raises(ValueError, match=r"algo.dueling=True .* set algo.dueling: false"):
        q_network(NetworkConfig(), 3, OBS, dueling=True, custom=Own)


# Layers of the critic alone


def shapes_of(network, obs):
    """The shapes of a network's dense layers, by trunk."""
    params = jax.eval_shape(network.init, jax.random.key(0), obs)["params"]
    return {
        name: [tuple(layer["kernel"].shape) for layer in trunk.values() if "kernel" in layer]
        for name, trunk in params.items()
        if name.startswith("MLP")
    }


@pytest.mark.parametrize("memory", [{}, {"gru": 3}])
def test_the_critic_may_have_layers_of_its_own(memory):
    obs = jnp.zeros(4)
    config = NetworkConfig(hidden=(8, 5), critic_hidden=(16, 7, 6), **memory)
    trunks = shapes_of(actor_critic_network(config, discrete_head(2), obs), obs)
    assert trunks == {"MLP_0": [(4, 8), (8, 5)], "MLP_1": [(4, 16), (16, 7), (7, 6)]}
    same = NetworkConfig(hidden=(8, 5), critic_hidden=(8, 5), **memory)
    alike = NetworkConfig(hidden=(8, 5), **memory)
    first, second = (
        actor_critic_network(each, discrete_head(2), obs).init(jax.random.key(0), obs)
        for each in (same, alike)
    )
    assert jax.tree.all(jax.tree.map(jnp.array_equal, first, second))


def test_critics_of_actions_may_have_layers_of_their_own():
    config = NetworkConfig(hidden=(8, 5), critic_hidden=(16,))
    actor, critics = actor_and_critics(config, 2, 2, jnp.zeros(4))
    of_actor = jax.eval_shape(actor.init, jax.random.key(0), jnp.zeros(4))
    of_critics = jax.eval_shape(critics.init, jax.random.key(0), jnp.zeros(4), jnp.zeros(2))
    widths = [
        sorted({x.shape[-1] for x in jax.tree.leaves(tree)}) for tree in (of_actor, of_critics)
    ]
    assert widths == [[2, 5, 8], [1, 16]]


@pytest.mark.parametrize("rest", [{"shared": True}, {"critic_hidden": ()}, {"critic_hidden": (0,)}])
def test_a_critics_layers_that_cannot_be_are_refused(rest):
    with pytest.raises(ValueError, match="critic_hidden="):
        NetworkConfig(**({"critic_hidden": (8,)} | rest))


def test_action_values_have_no_critic():
    with pytest.raises(ValueError, match="critic_hidden=.* action values have `hidden` alone"):
        q_network(NetworkConfig(critic_hidden=(8,)), 2, jnp.zeros(4))
