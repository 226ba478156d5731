"""Networks with attention over places: positions matter, unseen places do not, seen ones are
remembered."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.nets.actor_critic import check_network
from elsinore.nets.initialisation import initialise
from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.nets import MappingActorCritic, PlacesActorCritic

KEY = jax.random.key(0)
OWN = jnp.array([0.0, 0.0, *[0.5] * 8])


def around(**seen):
    """Observation of five places: `p2=(0.5, 0.25)` is in view there."""
    places = np.zeros((5, 3), np.float32)
    for name, at in seen.items():
        places[int(name[1:])] = 1, *at
    return {"own": OWN, "places": jnp.asarray(places)}


@pytest.fixture(scope="module")
def policy():
    net = PlacesActorCritic(8)
    params = initialise(net, KEY, around(p0=(0, 0)))
    return lambda obs: net.apply(params, obs)


@pytest.fixture(scope="module")
def mapping():
    net = MappingActorCritic(8, num_places=5)
    start = net.initial_carry()
    params = initialise(net, KEY, start, around(p0=(0, 0)))
    return start, lambda carry, obs: net.apply(params, carry, obs)


@pytest.mark.parametrize("net", [PlacesActorCritic(8), MappingActorCritic(8)])
def test_a_network_keeps_the_contract_on_the_world_that_it_is_for(net):
    env = hamlet("L2", observation="places")
    obs = jax.eval_shape(env.reset_env, KEY, env.default_params)[0]
    check_network(net, 8, obs)


def test_what_is_not_seen_is_nothing(policy):
    obs = around(p1=(0.5, 0.25))
    # where the third would be, were it seen
    moved = obs | {"places": obs["places"].at[3, 1:].set(0.7)}
    for a, b in zip(policy(obs), policy(moved), strict=True):
        np.testing.assert_array_equal(a, b)


def test_which_place_lies_where_matters(policy):
    a, b = (
        policy(around(p1=(0.5, 0.25), p2=(0.0, 1.0))),
        policy(around(p2=(0.5, 0.25), p1=(0.0, 1.0))),
    )
    assert not np.allclose(a[0], b[0], atol=1e-6)


def test_nothing_in_sight_is_no_trouble(policy):
    outputs, value = policy(around())
    assert np.isfinite(outputs).all() and np.isfinite(value)


def test_a_place_is_remembered_where_it_was_seen_last(mapping):
    start, step = mapping
    carry, _ = step(start, around(p1=(0.5, 0.25)))
    carry, _ = step(carry, around(p4=(1.0, 0.0)))
    expected = np.zeros((5, 3))
    expected[1], expected[4] = (1, 0.5, 0.25), (1, 1.0, 0.0)
    np.testing.assert_allclose(carry[0], expected)
    carry, _ = step(carry, around())
    np.testing.assert_allclose(carry[0], expected)


def test_gradients_reach_every_weight(policy):
    net = PlacesActorCritic(8)
    obs = around(p0=(0.0, 0.0), p1=(0.5, 0.25), p2=(0.0, 1.0), p3=(1.0, 1.0), p4=(0.25, 0.25))
    params = initialise(net, KEY, obs)
    # the small gain of the policy's last layer would hide what reaches the others
    slope = jax.grad(lambda p: sum(jnp.sum(jnp.square(x)) for x in net.apply(p, obs)))(params)
    assert all(float(jnp.abs(leaf).max()) > 0.0 for leaf in jax.tree.leaves(slope))
