"""Agents that share affordances: one is served at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.worlds.hamlet.env import hamlet
from elsinore.worlds.hamlet.occupancy import served
from tests.worlds.hamlet.worlds import at

BED, INTERACT = 0, 4


@pytest.mark.parametrize(
    ("wants", "holds", "gets"),
    [
        ([0, 0, 0], [0, 0, 0], [1, 0, 0]),  # the first comes first
        ([0, 0, 0], [0, 0, 1], [0, 0, 1]),  # who uses it keeps it
        ([0, 1, 0], [0, 0, 0], [1, 1, 0]),  # different things do not compete
        ([-1, 0, -1], [0, 0, 0], [0, 1, 0]),  # who wants nothing stands in no one's way
        ([-1, -1, -1], [1, 0, 0], [0, 0, 0]),
    ],
)
def test_one_is_served_at_a_time(wants, holds, gets):
    assert served(jnp.array(wants), jnp.array(holds, bool)).tolist() == [bool(got) for got in gets]


@given(st.lists(st.tuples(st.integers(-1, 3), st.booleans()), min_size=4, max_size=4))
def test_of_everything_wanted_exactly_one_is_served_and_a_holder_before_others(agents):
    wants, holds = (np.array(x) for x in zip(*agents, strict=True))
    gets = np.asarray(served(jnp.array(wants), jnp.array(holds)))
    for thing in range(4):
        rivals = wants == thing
        assert gets[rivals].sum() == rivals.any()
        if (holds & rivals).any():
            assert holds[gets & rivals].all()
    assert not gets[wants < 0].any()


def together(env, states, actions):
    keys = jax.random.split(jax.random.key(0), len(actions))
    step = jax.vmap(env.step_env, (0, 0, 0, None), axis_name="agents")
    return jax.jit(step)(keys, states, jnp.array(actions), env.default_params)


def test_of_two_in_a_bed_the_first_sleeps_and_goes_on_sleeping():
    env = hamlet("base6", occupancy=True)
    tired, at_desk = at(env, 1, 1, energy=20), at(env, 6, 6)
    states = jax.tree.map(lambda *x: jnp.stack(x), at_desk, tired, tired)
    _, states, _, _, info = together(env, states, [INTERACT] * 3)
    assert info["used"].tolist() == [4, BED, -1]
    assert env.meters(states)[:, 0].tolist() == pytest.approx([84.5, 69.5, 18.5])
    swapped = jax.tree.map(lambda x: x[jnp.array([2, 0, 1])], states)
    assert together(env, swapped, [INTERACT] * 3)[4]["used"].tolist() == [-1, 4, BED]


def test_who_cannot_pay_does_not_compete():
    env = hamlet("base6", occupancy=True)
    states = jax.tree.map(lambda *x: jnp.stack(x), at(env, 1, 1, money=0), at(env, 1, 1))
    assert together(env, states, [INTERACT] * 2)[4]["used"].tolist() == [-1, BED]


def test_one_agent_alone_never_competes():
    env = hamlet("base6", occupancy=True)
    out = env.step_env(jax.random.key(0), at(env, 1, 1), jnp.int32(INTERACT), env.default_params)
    assert out[4]["used"] == BED


def test_agents_of_one_world_find_things_in_the_same_cells_and_start_apart():
    env = hamlet("L1", occupancy=True)
    reset = jax.vmap(env.reset_env, (0, None), axis_name="agents")
    _, states = jax.jit(reset)(jax.random.split(jax.random.key(0), 4), env.default_params)
    assert (states.cells == states.cells[0]).all()
    assert len(np.unique(np.asarray(states.position), axis=0)) > 1
