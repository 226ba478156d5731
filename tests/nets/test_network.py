"""Networks over batches and over time, feed-forward and recurrent."""

import operator
from functools import cache

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from elsinore.nets.build import actor_critic_network
from elsinore.nets.config import NetworkConfig
from elsinore.nets.heads import discrete_head
from elsinore.nets.network import reset_carry

TIME, BATCH = 5, 3
KEY, OBS = jax.random.key(0), jax.random.normal(jax.random.key(1), (TIME, BATCH, 2))


def network(**config):
    made = actor_critic_network(NetworkConfig(hidden=(4,), **config), discrete_head(3), OBS[0, 0])
    return made, made.init(KEY, OBS[0, 0])


KINDS = {
    "none": {},
    "gru": {"gru": 4},
    "shared gru": {"gru": 4, "shared": True},
    "lstm": {"lstm": 4},
    "lru": {"lru": 4},
    "shared lru": {"lru": 4, "shared": True},
}


@cache
def of(kind):
    """The network of a kind, its parameters, and both its functions, compiled."""
    net, params = network(**KINDS[kind])
    return net, params, jax.jit(net.unroll), jax.jit(net.step)


def initial_carry(net):
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (BATCH, *x.shape)), net.initial_carry)


@pytest.mark.parametrize("kind", KINDS)
@given(episode_start=arrays(bool, (TIME, BATCH)))
def test_unroll_equals_steps_with_the_carry_reset_at_episode_starts(kind, episode_start):
    net, params, unroll, step = of(kind)
    carry = jax.tree.map(lambda x: x + 0.5, initial_carry(net))  # in the middle of an episode
    carries, outputs, values = unroll(params, carry, OBS, episode_start)
    for t in range(TIME):
        carry = reset_carry(jnp.asarray(episode_start[t]), net.initial_carry, carry)
        carry, output, value = step(params, carry, OBS[t])
        np.testing.assert_allclose(outputs[t], output, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(values[t], value, rtol=1e-5, atol=1e-6)
        after = jax.tree.map(operator.itemgetter(t), carries)
        chex.assert_trees_all_close(after, carry, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("gru", [(4,)] * 2),
        ("shared gru", [(4,)]),
        ("lstm", [(4,)] * 4),
        ("lru", [(2, 4)] * 2),
        ("shared lru", [(2, 4)]),
    ],
)
def test_each_trunk_has_its_own_carry_of_zeros(kind, shapes):
    net = of(kind)[0]
    leaves = jax.tree.leaves(net.initial_carry)
    assert net.recurrent and [x.shape for x in leaves] == shapes
    assert not any(x.any() for x in leaves)
    assert not of("none")[0].recurrent


def test_earlier_observations_matter_only_to_recurrent_networks():
    for net, params, unroll, _ in map(of, KINDS):
        other = OBS.at[0].add(1.0)
        one, two = (
            unroll(params, initial_carry(net), obs, jnp.zeros((TIME, BATCH), bool))
            for obs in (OBS, other)
        )
        assert bool((one[1][-1] != two[1][-1]).any()) == net.recurrent


@pytest.mark.parametrize("kind", ["gru", "lstm", "lru"])
def test_no_gradient_crosses_an_episode_start(kind):
    net, params, unroll, _ = of(kind)
    episode_start = jnp.zeros((TIME, BATCH), bool).at[2].set(True)

    def later(before):
        obs = OBS.at[:2].set(before)
        return unroll(params, initial_carry(net), obs, episode_start)[1][2:].sum()

    assert not jax.grad(later)(OBS[:2]).any()


def test_reset_carry_resets_only_where_an_episode_starts():
    initial, carry = {"a": jnp.zeros(2)}, {"a": jnp.ones((3, 2))}
    after = reset_carry(jnp.array([True, False, True]), initial, carry)
    np.testing.assert_array_equal(after["a"], [[0, 0], [1, 1], [0, 0]])
