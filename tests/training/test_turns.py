"""Seeds in turns compute what they compute in one launch, and come back in their order."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.training.layout import layout_for
from elsinore.training.replicas import fetch as fetch_stacked
from elsinore.training.replicas import init_seeds, over_seeds, seed_keys
from elsinore.training.turns import (
    begin,
    fetch_turns,
    in_turns,
    joined_turns,
    lower_begin,
    place_host,
    replica_of,
)
from tests.toys import ToyConfig, toy_program

SEEDS = 5  # on two devices: three turns, the last with one seed of padding
PROGRAM = toy_program(ToyConfig(noise=1.0))
SHAPES = jax.eval_shape(PROGRAM.init, jax.random.key(0))


@pytest.fixture(scope="module", params=["map", "vmap"])
def layout(request):
    return layout_for(SEEDS, request.param)


@pytest.fixture(scope="module")
def turns(layout):
    init = lower_begin(PROGRAM, layout, None).compile()
    return begin(init, SHAPES, layout, seed_keys(3, SEEDS), None)


def same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_turn_is_one_seed_of_each_device_or_all_of_a_batch(layout, turns):
    devices = len(layout.devices)
    expected = -(-SEEDS // devices) if layout.one_a_device else 1
    assert len(turns) == expected
    seeds = devices if layout.one_a_device else layout.padded
    assert {len(x.train.update) for x in turns} == {seeds}


def test_the_initial_states_are_those_made_together(layout, turns):
    same(fetch_turns(turns, layout), fetch_stacked(init_seeds(PROGRAM, layout, 3), layout))


def test_turns_compute_what_one_launch_computes(layout, turns):
    program = over_seeds(PROGRAM.chunk, layout.turn)
    states, reports = in_turns(program)(turns, jnp.int32(2))
    together, report = over_seeds(PROGRAM.chunk, layout)(
        init_seeds(PROGRAM, layout, 3), jnp.int32(2)
    )
    same(fetch_turns(states, layout), fetch_stacked(together, layout))
    returns = joined_turns(jax.device_get(reports), layout).episodes.returns
    np.testing.assert_array_equal(returns, np.asarray(report.episodes.returns)[:SEEDS])
    assert len(set(returns[:, 0].tolist())) == SEEDS


def test_states_go_to_the_host_and_back_and_padding_is_frozen(layout, turns):
    host = fetch_turns(turns, layout)
    again = place_host(host, SHAPES, layout)
    same(fetch_turns(again, layout), host)
    frozen = np.concatenate([np.asarray(turn.convergence.frozen) for turn in again])
    assert frozen.tolist() == [False] * SEEDS + [True] * (layout.padded - SEEDS)
    begun = np.concatenate([np.asarray(turn.convergence.frozen) for turn in turns])
    assert begun.tolist() == frozen.tolist()
    for turn, other in zip(again, turns, strict=True):  # so that a program takes either
        assert jax.typeof(turn.train.key) == jax.typeof(other.train.key)


@pytest.mark.parametrize("kind", ["map", "vmap"])
def test_states_are_begun_and_placed_without_copies_of_all_in_host_memory(kind):
    """Replay buffers are gigabytes, and a CPU's devices share the host's memory."""
    program, layout = toy_program(ToyConfig(ballast=2**18)), layout_for(SEEDS, kind)
    shapes = jax.eval_shape(program.init, jax.random.key(0))
    init, keys = lower_begin(program, layout, None).compile(), seed_keys(3, SEEDS)
    begun, peak = with_peak(lambda: begin(init, shapes, layout, keys, None))
    each = 4 * 2**18  # bytes of a seed
    assert peak < each
    host = fetch_turns(begun, layout)
    placed, peak = with_peak(lambda: place_host(host, shapes, layout))
    # the turn with padding is a copy
    assert peak < (len(layout.devices) if layout.one_a_device else layout.padded) * 1.1 * each
    same(fetch_turns(placed, layout), host)


def with_peak(function):
    """(what it returns, the most bytes of numpy arrays meanwhile)"""
    tracemalloc.start()
    try:
        return jax.block_until_ready(function()), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_replica_is_found_in_its_turn(layout, turns):
    host = fetch_turns(turns, layout)
    params = [turn.train.learner.params for turn in turns]
    for i in range(SEEDS):
        expected = jax.tree.map(lambda x: x[i], host.train.learner.params)  # noqa: B023
        same(replica_of(params, i), expected)
