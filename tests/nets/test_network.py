"""A network over batches and over time: the same, whether it remembers or not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from elsinore.nets.build import NetworkConfig, actor_critic_network
from elsinore.nets.heads import discrete_head
from elsinore.nets.network import renew

TIME, BATCH = 5, 3
KEY, OBS = jax.random.key(0), jax.random.normal(jax.random.key(1), (TIME, BATCH, 2))


def network(**config):
    made = actor_critic_network(NetworkConfig(hidden=(4,), **config), discrete_head(3), OBS[0, 0])
    return made, made.init(KEY, OBS[0, 0])


KINDS = {"none": network(), "gru": network(gru=4), "shared gru": network(gru=4, shared=True)}
UNROLL = {kind: jax.jit(net.unroll) for kind, (net, _) in KINDS.items()}
STEP = {kind: jax.jit(net.step) for kind, (net, _) in KINDS.items()}


def beginning(net):
    return jax.tree.map(lambda x: jnp.broadcast_to(x, (BATCH, *x.shape)), net.memory)


@pytest.mark.parametrize("kind", KINDS)
@given(begins=arrays(bool, (TIME, BATCH)))
def test_unrolled_it_is_stepped_one_by_one_and_renewed_where_an_episode_begins(kind, begins):
    net, params = KINDS[kind]
    memory = jax.tree.map(lambda x: x + 0.5, beginning(net))  # amid an episode
    memories, outputs, values = UNROLL[kind](params, memory, OBS, begins)
    for t in range(TIME):
        memory = renew(jnp.asarray(begins[t]), net.memory, memory)
        memory, output, value = STEP[kind](params, memory, OBS[t])
        np.testing.assert_allclose(outputs[t], output, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(values[t], value, rtol=1e-5, atol=1e-6)
        for known, now in zip(jax.tree.leaves(memories), jax.tree.leaves(memory), strict=True):
            np.testing.assert_allclose(known[t], now, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "trunks"), [("gru", 2), ("shared gru", 1)])
def test_each_trunk_remembers_for_itself_and_begins_with_nothing(kind, trunks):
    net, _ = KINDS[kind]
    assert net.remembers and len(net.memory) == trunks
    assert all(x.shape == (4,) and not x.any() for x in net.memory)
    assert not KINDS["none"][0].remembers


def test_what_was_seen_before_matters_only_to_who_remembers():
    for kind, (net, params) in KINDS.items():
        other = OBS.at[0].add(1.0)
        one, two = (UNROLL[kind](params, beginning(net), obs, jnp.zeros((TIME, BATCH), bool)) for obs in (OBS, other))
        assert bool((one[1][-1] != two[1][-1]).any()) == (kind != "none")


def test_nothing_from_before_an_episode_reaches_into_it():
    net, params = KINDS["gru"]
    begins = jnp.zeros((TIME, BATCH), bool).at[2].set(True)

    def later(before):
        obs = OBS.at[:2].set(before)
        return UNROLL["gru"](params, beginning(net), obs, begins)[1][2:].sum()

    assert not jax.grad(later)(OBS[:2]).any()


def test_only_those_who_begin_are_renewed():
    fresh, running = {"a": jnp.zeros(2)}, {"a": jnp.ones((3, 2))}
    renewed = renew(jnp.array([True, False, True]), fresh, running)
    np.testing.assert_array_equal(renewed["a"], [[0, 0], [1, 1], [0, 0]])
