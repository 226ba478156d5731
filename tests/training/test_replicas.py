"""The seed axis holds every state once, and little more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.training.layout import Layout, layout_for
from elsinore.training.replicas import (
    in_place,
    init_program,
    init_seeds,
    over_seeds,
    seed_keys,
    stacked,
)
from tests.devices import needs_two_devices
from tests.toys import ToyConfig, toy_program

BALLAST = 10 * 2**20  # numbers: 40 MiB


def spent(num_seeds: int, kind: str = "map") -> int:
    """Bytes that a chunk needs beyond the memory of the states that it is given."""
    program, layout = toy_program(ToyConfig(ballast=BALLAST)), layout_for(num_seeds, kind)
    shapes = stacked(jax.eval_shape(program.init, jax.random.key(0)), layout.padded)
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout.sharding), shapes
    )
    compiled = over_seeds(program.chunk, layout, donate=True).lower(shapes, jnp.int32(0)).compile()
    memory = compiled.memory_analysis()  # of one device
    return memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes


def test_seeds_that_take_turns_need_the_memory_of_one_more():
    assert 4 * BALLAST <= spent(6) < 1.05 * 4 * BALLAST


@needs_two_devices
@pytest.mark.parametrize("kind", ["map", "vmap"])
def test_a_seed_that_has_a_device_to_itself_needs_no_more_memory(kind):
    assert spent(2, kind) < 2**20


def test_taking_turns_in_place_is_mapping_over_the_seeds():
    def step(state):
        return {"x": state["x"] * 2, "key": state["key"]}, jax.random.normal(state["key"]) + state[
            "x"
        ].sum()

    stacked = {"x": jnp.arange(6.0).reshape(3, 2), "key": seed_keys(5, 3)}
    for some in (stacked, jax.tree.map(lambda x: x[:1], stacked)):
        states, logged = in_place(step, some)
        expected, expected_told = jax.lax.map(step, some)
        np.testing.assert_array_equal(states["x"], expected["x"])
        np.testing.assert_array_equal(logged, expected_told)
        assert (states["key"] == some["key"]).all()


@pytest.mark.parametrize("kind", ["map", "vmap"])
def test_states_in_place_are_those_of_a_copy(kind):
    program, layout = toy_program(ToyConfig(noise=1.0)), layout_for(3, kind)
    states = init_seeds(program, layout, 0)
    copied, copied_report = over_seeds(program.chunk, layout)(states, jnp.int32(2))
    placed, placed_report = over_seeds(program.chunk, layout, donate=True)(states, jnp.int32(2))
    np.testing.assert_array_equal(
        copied.train.learner.params["score"], placed.train.learner.params["score"]
    )
    np.testing.assert_array_equal(copied_report.episodes.returns, placed_report.episodes.returns)
    assert len(set(np.asarray(placed.train.learner.params["score"][:3]).tolist())) == 3


@needs_two_devices
@pytest.mark.parametrize("donate", [False, True])
def test_arrays_of_no_elements_do_not_crash_the_partitioner(donate):
    """The indices of a scatter that has none (SpaceInvaders-MinAtar steps with ten such), or a part
    of a state."""
    layout, none = layout_for(4), jnp.zeros(0, jnp.int32)
    assert len(layout.devices) == 2
    state = jax.device_put({"empty": jnp.zeros((4, 0, 3)), "x": jnp.arange(4.0)}, layout.sharding)

    def add(state):
        return {
            "empty": state["empty"],
            "x": state["x"] + none.sum() + state["empty"].sum(),
        }, state["x"]

    after, logged = over_seeds(add, layout, donate)(state)
    np.testing.assert_array_equal(after["x"], np.arange(4))
    np.testing.assert_array_equal(logged, np.arange(4))
    assert after["empty"].shape == (4, 0, 3)


@needs_two_devices
@pytest.mark.parametrize("seeds", [2, 3])
def test_states_begun_where_they_will_live_are_those_begun_elsewhere_and_moved(seeds, monkeypatch):
    """As accelerators do it; here on CPU devices."""
    program, layout = toy_program(ToyConfig(ballast=16)), layout_for(seeds, "vmap")
    moved = init_seeds(program, layout, 5)
    monkeypatch.setattr(Layout, "inits_in_place", True)
    in_place = init_program(program, layout)(seed_keys(5, seeds), None)
    for x, y in zip(jax.tree.leaves(in_place), jax.tree.leaves(moved), strict=True):
        assert x.sharding == layout.sharding and x.shape == y.shape
        np.testing.assert_array_equal(numbers(x), numbers(y))
    assert in_place.convergence.frozen.tolist() == [False] * seeds + [True] * (seeds % 2)
    again = init_seeds(program, layout, 5)
    assert jax.tree.leaves(again)[0].shape[0] == layout.padded


@needs_two_devices
def test_no_device_holds_the_states_of_others_as_they_begin(monkeypatch):
    monkeypatch.setattr(Layout, "inits_in_place", True)
    program, layout = toy_program(ToyConfig(ballast=BALLAST)), layout_for(2, "vmap")
    begin = init_program(program, layout).lower(seed_keys(0, 2), None).compile()
    memory = begin.memory_analysis()  # of one device
    assert memory.output_size_in_bytes + memory.temp_size_in_bytes < 1.01 * 4 * BALLAST


def numbers(x):
    return np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)


def test_every_member_of_a_population_has_the_same_seeds():
    keys = seed_keys(7, 2, members=3)
    assert keys.shape == (6,)
    assert (keys == jnp.stack([jax.random.key(7), jax.random.key(8)] * 3)).all()
