"""Successive halving freezes exactly the members that it should, and when it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.training.halving import HalvingConfig, halve, rungs_of, survivors_of
from elsinore.training.layout import layout_for
from elsinore.training.population import Population
from elsinore.training.replicas import init_seeds, over_seeds
from tests.toys import toy_program


def states_with(scores, diverged=(), padding: int = 0):
    """Stacked states that have these last evaluations, one a replica."""
    program = toy_program()
    replicas = len(scores) + padding
    one = program.init(jax.random.key(0))
    state = jax.tree.map(lambda x: jnp.stack([x] * replicas), one)
    history = state.convergence.history.at[: len(scores), 0].set(jnp.array(scores, jnp.float32))
    diverged_at = state.convergence.diverged_at.at[jnp.array(diverged, int)].set(3)
    update = jnp.full(replicas, 10)
    return state._replace(
        convergence=state.convergence._replace(history=history, diverged_at=diverged_at),
        train=state.train._replace(update=update),
    )


def left_after(between, state, chunk: int) -> list[int]:
    state, logged = between(state, jnp.int32(chunk))
    assert logged == {}
    return np.flatnonzero(np.asarray(state.convergence.pruned_at) < 0).tolist()


@pytest.mark.parametrize(
    ("num_chunks", "eta", "rungs", "expected"),
    [
        (20, 3, 3, [1, 3, 7]),
        (27, 3, 3, [1, 3, 9]),
        (8, 2, 2, [2, 4]),
        (10, 2, 1, [5]),
        (100, 4, 2, [7, 25]),
    ],
)
def test_rungs_are_a_factor_eta_apart_and_from_the_end(num_chunks, eta, rungs, expected):
    assert rungs_of(HalvingConfig(eta=eta, rungs=rungs), num_chunks) == expected


def test_rungs_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError,
        match=r"rungs=3 with eta=3 do not fit into 5 chunks .* smaller evaluation.period",
    ):
        rungs_of(HalvingConfig(), 5)


def test_one_in_eta_is_left_at_each_rung_and_never_none():
    assert survivors_of(HalvingConfig(eta=3, rungs=3), 64) == [22, 8, 3]
    assert survivors_of(HalvingConfig(eta=4, rungs=4), 9) == [3, 1, 1, 1]


def test_the_worse_members_are_frozen_at_a_rung_and_none_elsewhere():
    # rungs after 2 and 4 chunks
    between = halve(HalvingConfig(eta=2, rungs=2), Population(6, 1), num_chunks=8)
    state = states_with([3.0, 1.0, 6.0, 5.0, 2.0, 4.0])
    for chunk in (1, 3, 5):
        assert left_after(between, state, chunk) == [0, 1, 2, 3, 4, 5]
    state, _ = between(state, jnp.int32(2))
    np.testing.assert_array_equal(state.convergence.pruned_at, [10, 10, -1, -1, 10, -1])
    np.testing.assert_array_equal(state.convergence.frozen, [True, True, False, False, True, False])
    # who is out stays out, however well he did
    state = state._replace(
        convergence=state.convergence._replace(
            history=state.convergence.history.at[:, 0].set(
                jnp.array([9.0, 9.0, 1.0, 3.0, 9.0, 2.0])
            )
        )
    )
    state = state._replace(train=state.train._replace(update=jnp.full(6, 20)))
    state, _ = between(state, jnp.int32(4))
    np.testing.assert_array_equal(state.convergence.pruned_at, [10, 10, 20, -1, 10, -1])


def test_what_is_better_may_be_less():
    between = halve(HalvingConfig(eta=3, rungs=1), Population(3, 1, mode="min"), num_chunks=6)
    assert left_after(between, states_with([3.0, 1.0, 2.0]), 2) == [1]


def test_no_score_is_the_worst_score_and_of_equals_the_first_goes_on():
    between = halve(HalvingConfig(eta=2, rungs=1), Population(4, 1), num_chunks=6)
    assert left_after(between, states_with([jnp.nan, -5.0, 9.0, -6.0], diverged=[2]), 3) == [1, 3]
    assert left_after(between, states_with([1.0, 1.0, 1.0, 1.0]), 3) == [0, 1]
    assert left_after(between, states_with([jnp.nan] * 4), 3) == [0, 1]


def test_a_member_is_judged_by_the_mean_over_its_seeds_and_frozen_with_all_of_them():
    between = halve(HalvingConfig(eta=2, rungs=1), Population(2, 3), num_chunks=6)
    state = states_with([9.0, 0.0, 0.0, 4.0, 4.0, 4.0], padding=2)
    # 6 and 7 are padding: they are nobody's
    assert left_after(between, state, 3) == [3, 4, 5, 6, 7]


def test_those_frozen_rest_while_the_others_train_on():
    program, layout = toy_program(num_updates=8, updates_per_chunk=1), layout_for(4)
    gains = jnp.array([0.1, 0.6, 0.3, 0.7])
    hyper = program.algo.hyper._replace(gain=gains, gain_final=gains, noise=jnp.zeros(4))
    state = init_seeds(program, layout, 0, hyper)
    launch = over_seeds(program.chunk, layout, donate=True)
    between = jax.jit(halve(HalvingConfig(eta=2, rungs=2), Population(4, 1), num_chunks=8))
    for chunk in range(8):
        state, _ = between(state, jnp.int32(chunk))
        state, report = launch(state, jnp.int32(1))
    np.testing.assert_array_equal(state.train.update, [2, 4, 2, 8])
    np.testing.assert_array_equal(report.learning, [False, False, False, True])


def test_more_rungs_than_any_run_has_are_refused_at_once():
    with pytest.raises(ValueError, match="rungs=1000000 with eta=3 do not fit into 20 chunks"):
        rungs_of(HalvingConfig(eta=3, rungs=1_000_000), 20)
