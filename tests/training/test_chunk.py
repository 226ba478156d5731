"""What a chunk tells, keeps and leaves alone."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.algos.ppo import ppo
from elsinore.jaxtools import compile_units
from elsinore.training.chunk import build_program
from elsinore.training.early_stopping import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.layout import layout_for
from elsinore.training.replicas import init_seeds, over_seeds
from elsinore.training.schedule import Schedule
from tests.lowered import units


def program_with(cartpole_ppo, convergence, episodes=8, algo=None):
    return build_program(
        algo or cartpole_ppo.algo,
        cartpole_ppo.env,
        cartpole_ppo.env_params,
        Schedule(20, 4, 2),
        EvaluationConfig(episodes=episodes),
        convergence,
        max_steps=500,
    )


def test_a_schedule_covers_every_update_once():
    schedule = Schedule(num_updates=23, updates_per_chunk=10, updates_per_row=4)
    assert schedule.num_chunks == 3
    assert [schedule.updates_in(i) for i in range(3)] == [10, 10, 3]
    assert [schedule.row_ends(i) for i in range(3)] == [[4, 8, 10], [14, 18, 20], [23]]


@pytest.mark.parametrize("extra", [(), (10,), (9, 10), (1, 9, 10, 23), (2, 6, 22)])
@pytest.mark.parametrize("num_updates", [24, 26])
def test_a_lengthened_schedule_ends_chunks_where_the_run_once_ended(num_updates, extra):
    schedule = Schedule(num_updates, 4, 2, extra)
    expected = sorted({*range(4, num_updates, 4), *extra, num_updates})
    after = [schedule.updates_after(i) for i in range(schedule.num_chunks + 1)]
    assert after == [0, *expected]
    assert [schedule.chunks_until(update) for update in after] == list(range(len(after)))
    sizes = [schedule.updates_in(i) for i in range(schedule.num_chunks)]
    assert sum(sizes) == num_updates and 1 <= min(sizes) <= max(sizes) <= 4
    assert [schedule.row_ends(i)[-1] for i in range(schedule.num_chunks)] == expected
    assert [schedule.chunks_until(u) for u in range(num_updates + 1)] == [
        sum(end <= u for end in expected) for u in range(num_updates + 1)
    ]


def test_rows_hold_the_sums_of_their_updates(trained):
    _, (report,) = trained(1, (5,))
    counts = np.asarray(report.metrics["loss/total"].count[0])
    # rows of two updates, the last of one
    assert counts[0] == counts[1] > 0 and counts[2] == counts[0] / 2


def test_a_seed_that_has_converged_is_frozen_while_others_go_on(cartpole_ppo):
    """Each seed's own bar: the second's is out of reach."""
    program = program_with(cartpole_ppo, ConvergenceConfig(target=5.0, window=1, patience=1))
    layout = layout_for(2)
    launch = over_seeds(program.chunk, layout)
    states = init_seeds(program, layout, 0)
    states, first = launch(states, jnp.int32(4))
    assert (np.asarray(first.convergence.converged_at) == 4).all()

    unfrozen = states.convergence.converged_at.at[1].set(-1)
    states = states._replace(convergence=states.convergence._replace(converged_at=unfrozen))
    later, report = launch(states, jnp.int32(4))
    np.testing.assert_array_equal(report.learning, [False, True])
    np.testing.assert_array_equal(report.update, [4, 8])
    for before, after in zip(jax.tree.leaves(states), jax.tree.leaves(later), strict=True):
        if jnp.issubdtype(before.dtype, jax.dtypes.prng_key):
            before, after = jax.random.key_data(before), jax.random.key_data(after)
        np.testing.assert_array_equal(before[0], after[0])
    assert (report.metrics["loss/total"].count[0] == 0).all()


def test_the_best_policy_is_the_one_that_was_evaluated(program):
    """The one after the chunk, whose score it is; not the one from before it, which is the mistake
    elsewhere."""
    before = jax.jit(program.init)(jax.random.key(3))
    state, report = jax.jit(program.chunk)(before, jnp.int32(6))
    chex.assert_trees_all_equal(state.best.policy_state, state.train.policy_state)
    assert float(state.best.score) == float(report.episodes.returns.mean())
    assert int(state.best.update) == 6
    changed = jax.tree.map(
        lambda a, b: bool((a != b).any()),
        state.best.policy_state.params,
        before.train.policy_state.params,
    )
    assert all(jax.tree.leaves(changed))


def test_a_chunk_is_traced_once_for_any_number_of_updates(program):
    """What it returns has the types of what it takes."""
    chex.clear_trace_counter()
    chunk = jax.jit(chex.assert_max_traces(program.chunk, n=1))
    state = jax.jit(program.init)(jax.random.key(3))
    for updates in (6, 4):
        state, _ = chunk(state, jnp.int32(updates))
    assert int(state.train.update) == 10


def test_a_seed_whose_parameters_are_not_finite_is_frozen_and_says_so(cartpole_ppo):
    program = program_with(cartpole_ppo, ConvergenceConfig(enabled=False))
    hyper = program.algo.hyper._replace(learning_rate=jnp.float32(jnp.nan))
    state = jax.jit(program.init)(jax.random.key(0), hyper)
    state, report = jax.jit(program.chunk)(state, jnp.int32(4))
    assert int(report.convergence.diverged_at) == 4 and bool(state.convergence.frozen)


@pytest.mark.parametrize("num_seeds", [1, 2, 3])
def test_a_layout_holds_equally_many_seeds_on_each_device(num_seeds):
    layout = layout_for(num_seeds)
    assert layout.padded % len(layout.devices) == 0 and layout.padded >= num_seeds


@pytest.mark.slow
@pytest.mark.skipif(
    jax.default_backend() != "cpu", reason="units are marked for XLA's CPU compiler"
)
@pytest.mark.parametrize("num_seeds", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_learning_and_evaluation_step_one_unit(cartpole_ppo, num_seeds, monkeypatch):
    """Where an env is large, with a device to each seed or one for all; nothing else changes but
    rounding."""
    env, env_params, config, layout = *cartpole_ppo[:3], layout_for(num_seeds)

    def stepped_and_trained(large):
        monkeypatch.setattr(compile_units, "LARGE_UNIT", large)
        algo = ppo(config, env, env_params, num_updates=100)  # not yet traced
        program = program_with(
            cartpole_ppo, ConvergenceConfig(enabled=False), config.num_envs, algo
        )
        states = init_seeds(program, layout, 0)
        lowered = over_seeds(program.chunk, layout).lower(states, jnp.int32(2))
        return units(lowered.as_text()), lowered.compile()(states, jnp.int32(2))[1]

    inlined, expected = stepped_and_trained(compile_units.LARGE_UNIT)
    stepped, report = stepped_and_trained(10)
    assert inlined == [] and len(stepped) == 2 and len(set(stepped)) == 1
    np.testing.assert_array_equal(report.episodes.lengths, expected.episodes.lengths)
    np.testing.assert_allclose(report.metrics.table, expected.metrics.table, rtol=1e-3, atol=1e-5)
