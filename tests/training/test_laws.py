"""What must hold of training whatever is trained."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.runs.loop import record_of
from elsinore.runs.pipeline import FinishedChunk
from elsinore.runs.summary import summarise
from elsinore.training.chunk import updates
from elsinore.training.layout import layout_for
from elsinore.training.replicas import init_seeds, over_seeds, train_compiled
from tests.training.conftest import trainer_of


def comparable(tree):
    """Leaves as numpy arrays, keys as their data."""
    return [
        np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x)
        for x in jax.tree.leaves(tree)
    ]


def assert_equal(a, b):
    for x, y in zip(comparable(a), comparable(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_chunk_of_six_updates_is_two_chunks_of_three(trained):
    whole, (report,) = trained(1, (6,))
    halves, reports = trained(1, (3, 3))
    assert_equal(whole.train, halves.train)
    total = sum(r.metrics["episode/return"].total.sum() for r in reports)
    assert float(report.metrics["episode/return"].total.sum()) == pytest.approx(
        float(total), rel=1e-6
    )


def test_a_seed_among_others_is_the_seed_alone(trained):
    many, _ = trained(4, (6, 6))
    for seed in range(4):
        alone, _ = trained(1, (6, 6), first_seed=seed)
        assert_equal(alone, jax.tree.map(lambda x: x[seed : seed + 1], many))  # noqa: B023


@pytest.mark.slow
def test_learning_from_replay_keeps_the_laws_of_chunks_and_of_seeds(trained_from_replay):
    """Six updates are two and four; a seed among others is the seed alone; under `vmap` it draws
    the same numbers."""
    many, reports = trained_from_replay(2, (6,))
    assert reports[0].metrics["loss/value"].count.sum() > 0
    parts, _ = trained_from_replay(2, (2, 4))
    assert_equal(many.train, parts.train)
    alone, _ = trained_from_replay(1, (6,), first_seed=1)
    among = jax.tree.map(lambda x: x[1:2], many.train)
    if jax.__version_info__ >= (0, 11):
        assert_equal(alone.train, among)
    else:  # whose compiler rounds SAC on one device and on a mesh of two differently
        for x, y in zip(comparable(alone.train), comparable(among), strict=True):
            np.testing.assert_allclose(x, y, rtol=2e-3, atol=1e-6)
    vmapped, _ = trained_from_replay(2, (6,), kind="vmap")
    assert_equal(many.train.key, vmapped.train.key)
    both = (comparable(x.train.learner.params) for x in (many, vmapped))
    for x, y in zip(*both, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-5)


SMALL = {"algo.num_envs": 16, "algo.rollout_length": 8, "env_steps": 1024, "evaluation.episodes": 2}
ROUNDED_ALIKE = {  # presets with divisions that XLA simplifies in another order for several devices
    "attention over places": ("Hamlet-L1", SMALL | {"algo.num_minibatches": 1}),
    "rectified Adam": ("pqn/CartPole-v1", SMALL),
    "PopArt": ("CartPole-v1", SMALL | {"algo.popart": True}),
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", ROUNDED_ALIKE)
def test_a_seed_on_one_device_has_the_bits_that_it_has_on_a_mesh_of_two(preset):
    name, settings = ROUNDED_ALIKE[preset]
    train = trainer_of(plan_for(load_experiment(name, overrides=settings)).program)
    among, _ = train(2, (2,))
    alone, _ = train(1, (2,))
    assert_equal(alone.train, jax.tree.map(lambda x: x[:1], among.train))


def test_a_number_of_seeds_that_the_devices_do_not_divide_changes_nothing(trained):
    three, reports = trained(3, (6,))
    four, _ = trained(4, (6,))
    assert_equal(three, jax.tree.map(lambda x: x[:3], four))
    assert reports[0].learning.all()


def test_vmapped_seeds_draw_what_they_would_draw_alone(trained):
    mapped, mapped_reports = trained(2, (2,), kind="map")
    vmapped, vmapped_reports = trained(2, (2,), kind="vmap")
    assert_equal(mapped.train.key, vmapped.train.key)
    np.testing.assert_array_equal(
        mapped.train.actor.episode_length, vmapped.train.actor.episode_length
    )
    for x, y in zip(
        comparable(mapped.train.learner), comparable(vmapped.train.learner), strict=True
    ):
        np.testing.assert_allclose(x, y, rtol=2e-4, atol=2e-6)
    for a, b in zip(mapped_reports, vmapped_reports, strict=True):
        np.testing.assert_array_equal(
            a.metrics["episode/length"].total, b.metrics["episode/length"].total
        )


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(trained):
    once, _ = trained(2, (6,))
    again, _ = trained(2, (6,))
    assert_equal(once, again)
    kernels = jax.tree.leaves(once.train.learner.params)
    assert all((k[0] != k[1]).any() for k in kernels if k.ndim > 2)
    assert (once.train.actor.obs[0] != once.train.actor.obs[1]).any()


def test_the_whole_run_as_one_call_is_the_run_in_chunks(program, trained):
    states, reports = train_compiled(program, layout_for(2))
    chunked, chunk_reports = trained(2, (6, 6))
    assert_equal(states.train, chunked.train)
    np.testing.assert_array_equal(reports.episodes.returns[:, 1], chunk_reports[1].episodes.returns)


def test_nothing_in_a_chunk_calls_back_into_python(program):
    state = jax.eval_shape(program.init, jax.random.key(0))
    jaxpr = jax.make_jaxpr(program.chunk)(state, jnp.int32(6))
    assert not jaxpr.effects and "callback" not in str(jaxpr)


def test_chunks_of_any_length_are_one_compile(program, monkeypatch):
    traces = []

    def counted(state, num_updates):
        traces.append(1)
        return program.chunk(state, num_updates)

    layout = layout_for(1)
    launch = over_seeds(counted, layout)
    states = init_seeds(program, layout, 0)
    for size in (6, 6, 5, 1):
        states, _ = launch(states, jnp.int32(size))
    assert len(traces) == 1


def test_memory_does_not_grow_with_the_number_of_updates():
    """A run a hundred times as long carries the same state and tells as much a chunk."""

    def bytes_of(env_steps: int) -> int:
        plan = plan_for(load_experiment("CartPole-v1", overrides={"env_steps": env_steps}))
        state = jax.eval_shape(plan.program.init, jax.random.key(0))
        logged = jax.eval_shape(plan.program.chunk, state, jnp.int32(1))
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(logged))

    assert bytes_of(10_000_000) == bytes_of(100_000)


def test_counters_started_near_the_end_of_an_int32_go_on(program, cartpole_ppo):
    train = cartpole_ppo.init(jax.random.key(0))
    begun = train._replace(update=jnp.int32(2**31 - 10))
    later, rows = jax.jit(lambda state: updates(cartpole_ppo.algo, state, 5, program.schedule))(
        begun
    )
    assert int(later.update) == 2**31 - 5
    assert np.isfinite(np.asarray(jax.flatten_util.ravel_pytree(later.learner.params)[0])).all()
    assert len(set(np.asarray(rows["loss/total"].total[:3]).tolist())) == 3  # each row drew anew


def test_env_steps_past_an_int32_are_counted(trained):
    """In the record of the last chunk and in the summary."""
    state, (report,) = jax.device_get(trained(1, (0,)))
    plan = plan_for(load_experiment("CartPole-v1", overrides={"env_steps": 2**31 * 200}))
    updates, last = plan.schedule.num_updates, plan.schedule.num_chunks - 1
    chunk = FinishedChunk(last, cast(Any, ()), report, {}, 1.0, last=True)
    steps = updates * plan.steps_per_update
    assert record_of(plan, chunk).env_steps == steps > 2**31 * 199
    at = np.int32([updates])
    state = state._replace(
        train=state.train._replace(update=at),
        best=state.best._replace(update=at),
        convergence=state.convergence._replace(converged_at=at),
    )
    clock = dict.fromkeys(("compile", "train", "evaluate", "timed_steps"), 1.0)
    summary = summarise(plan, state, report.episodes, clock, "budget")
    assert summary["env_steps"] == summary["best_return"]["env_steps"][0] == steps
    assert summary["env_steps_per_seed"] == summary["converged_at_env_steps"] == [steps]
