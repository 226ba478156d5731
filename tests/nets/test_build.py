"""From settings to a network, and what is refused on the way."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.build import NetworkConfig, actor_critic_network, q_network
from elsinore.nets.heads import discrete_head

KEY, OBS, HEAD = jax.random.key(0), jnp.array([0.5, -1.0]), discrete_head(3)


def values(dueling=False, **config):
    net = q_network(NetworkConfig(hidden=(8,), **config), 3, OBS, dueling)
    params = net.init(KEY, OBS)
    return net, params, net.step(params, (), OBS[None])


@pytest.mark.parametrize("dueling", [False, True])
def test_a_state_is_worth_what_its_best_action_is(dueling):
    _, _, (memory, q, value) = values(dueling)
    assert memory == () and q.shape == (1, 3)
    np.testing.assert_array_equal(value, q.max(axis=1))


def test_dueling_advantages_are_told_from_their_mean():
    """Q = V + A - mean(A): adding a number to every advantage changes nothing; to V, all of them."""
    net, params, (_, q, _) = values(dueling=True)
    layers = params["params"]
    for name, moved in (("advantage", 0.0), ("value", 5.0)):
        bias = {**layers[name], "bias": layers[name]["bias"] + 5.0}
        shifted = net.step({"params": {**layers, name: bias}}, (), OBS[None])[1]
        np.testing.assert_allclose(shifted, q + moved, rtol=1e-5, atol=1e-5)
    features = {"params": {**layers, "advantage": jax.tree.map(jnp.zeros_like, layers["advantage"])}}
    alone = net.step(features, (), OBS[None])[1]
    np.testing.assert_allclose(alone[0], q.mean(), rtol=1e-4, atol=1e-5)  # so V is the mean


def test_a_memory_is_refused_where_it_cannot_be_trained():
    with pytest.raises(ValueError, match=r"network\.gru=8 asks for a memory"):
        q_network(NetworkConfig(gru=8), 3, OBS)


@pytest.mark.parametrize("gru", [0, -1])
def test_a_recurrent_layer_without_width_is_refused(gru):
    with pytest.raises(ValueError, match=rf"gru={gru} must be a width of at least 1; null"):
        NetworkConfig(gru=gru)


class Own(nn.Module):
    """A network of a user's, which answers as it is told to."""

    num_outputs: int
    extra: int = 0
    value_shape: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, obs):
        return nn.Dense(self.num_outputs + self.extra)(obs), jnp.zeros(self.value_shape)


class Remembering(nn.Module):
    num_outputs: int
    grows: bool = False

    def initial_memory(self):
        return jnp.zeros(2)

    @nn.compact
    def __call__(self, memory, obs):
        outputs = nn.Dense(self.num_outputs)(jnp.append(obs, memory[:2]))
        return jnp.append(memory, 1.0) if self.grows else memory + 1.0, (outputs, jnp.sum(memory))


def makers():
    yield lambda custom: actor_critic_network(NetworkConfig(), HEAD, OBS, custom)
    yield lambda custom: q_network(NetworkConfig(), 3, OBS, custom=custom)


@pytest.mark.parametrize("make", makers(), ids=["actor-critic", "q"])
@pytest.mark.parametrize(
    ("own", "gives"), [({"extra": 1}, r"it gives \[4\] and \[\]"), ({"value_shape": (1,)}, r"it gives \[3\] and \[1\]")]
)
def test_a_network_of_ones_own_that_answers_otherwise_is_refused_with_what_it_gives(make, own, gives):
    with pytest.raises(ValueError, match=rf"network Own must give \(outputs \[3\], value \[\]\).*; {gives}"):
        make(lambda num_outputs: Own(num_outputs, **own))


def test_a_network_of_ones_own_may_remember():
    net = actor_critic_network(NetworkConfig(), HEAD, OBS, Remembering)
    memory, outputs, value = net.step(net.init(KEY, OBS), jnp.ones((5, 2)), jnp.ones((5, 2)))
    assert net.remembers and outputs.shape == (5, 3)
    np.testing.assert_array_equal(memory, 2 * np.ones((5, 2)))
    np.testing.assert_array_equal(value, 2 * np.ones(5))


def test_a_memory_that_grows_is_refused():
    with pytest.raises(ValueError, match=r"network Remembering must give \(memory, .*the memory it gives is"):
        actor_critic_network(NetworkConfig(), HEAD, OBS, lambda num_outputs: Remembering(num_outputs, grows=True))


def test_a_network_of_ones_own_that_remembers_is_refused_where_memory_cannot_be_trained():
    with pytest.raises(ValueError, match=r"asks for a memory, which algorithms of action values do not train"):
        q_network(NetworkConfig(), 3, OBS, custom=Remembering)
