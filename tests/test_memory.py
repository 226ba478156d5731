"""A run with a large replay buffer holds it once, and tells beforehand what it takes."""

import jax
import jax.numpy as jnp
import pytest

from elsinore.config.load import load_experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.training.layout import layout_for
from elsinore.training.replicas import over_seeds, stacked
from tests.toys import TOY

# obs, final obs, action, reward, terminated, truncated
BUFFER = 1_000_000 * (4 * 4 + 4 * 4 + 4 + 4 + 1 + 1)
SETTINGS = {
    "algo.buffer_size": 1_000_000,
    "algo.num_envs": 10,
    "algo.network.hidden": [16],
    "env_steps": 20_000,
    "evaluation.episodes": 1,
    "evaluation.max_steps": 1,
}


def planned(seeds: int, **settings) -> Plan:
    overrides = (
        SETTINGS | {"seeds": seeds} | {f"algo.{name}": value for name, value in settings.items()}
    )
    return plan_for(load_experiment("CartPole-v1", "dqn", overrides=overrides))


def spent(plan: Plan) -> int:
    """Bytes that a chunk needs on one device beyond the memory of the states that it is given."""
    layout = layout_for(plan.experiment.replicas)
    shapes = stacked(plan.state_shapes, layout.padded)
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout.sharding), shapes
    )
    compiled = (
        over_seeds(plan.program.chunk, layout, donate=True).lower(shapes, jnp.int32(0)).compile()
    )
    memory = compiled.memory_analysis()
    return memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes


def test_a_million_transitions_take_what_their_arrays_take():
    uniform, prioritised = planned(1), planned(1, prioritized=True)
    assert BUFFER < uniform.memory.of_states < 1.01 * BUFFER
    tree = 4 * 1_000_000 * 32 / 31  # a priority each, and the sums above
    assert BUFFER + tree < prioritised.memory.of_states < 1.01 * (BUFFER + tree)


@pytest.mark.parametrize("prioritized", [False, True])
def test_a_chunk_writes_to_its_buffer_in_place(prioritized):
    plan = planned(1, prioritized=prioritized, n_step=3, double=True, gradient_steps=2)
    assert spent(plan) < 0.01 * plan.memory.of_states


def test_seeds_that_take_turns_need_one_buffer_more():
    plan = planned(4)  # on two devices
    assert spent(plan) < 1.01 * plan.memory.of_states / 4


def test_a_run_is_refused_when_its_buffers_do_not_fit(monkeypatch):
    from elsinore import ConfigError
    from elsinore.config import planned_memory

    monkeypatch.setattr(planned_memory, "available_bytes", lambda: int(1.5 * BUFFER))
    with pytest.raises(ConfigError, match="this run needs about"):
        planned(2).memory.refuse_what_does_not_fit()


def test_the_copy_that_a_save_writes_has_to_fit_too(monkeypatch):
    """Else the system ends the run at its first save, after the training was paid for."""
    from elsinore import ConfigError
    from elsinore.config import planned_memory

    memory = planned(1).memory
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: int(1.9 * BUFFER))
    with pytest.raises(ConfigError, match=r"needs about 80 MiB .* 76 MiB are available"):
        memory.refuse_what_does_not_fit()
    monkeypatch.setattr(planned_memory, "available_bytes", lambda: int(2.1 * BUFFER))
    memory.refuse_what_does_not_fit()


def test_the_plan_of_a_large_rollout_is_near_to_what_is_compiled():
    plan = plan_for(
        load_experiment(
            "CartPole-v1",
            "a2c",
            overrides={
                "env_steps": 10_000_000,
                "seeds": 1,
                "algo.num_envs": 16_384,
                "algo.rollout_length": 16,
                "evaluation.episodes": 1,
                "evaluation.max_steps": 1,
            },
        )
    )
    assert plan.memory.of_arrays < 0.3 * spent(plan)
    assert 0.6 * spent(plan) < plan.memory.on_device < 1.6 * spent(plan)


def test_a_run_whose_compiled_chunk_does_not_fit_is_refused_before_it_begins(monkeypatch, tmp_path):
    import elsinore
    from elsinore.runs import session

    monkeypatch.setattr(session, "available_bytes", lambda: 1000)
    with pytest.raises(elsinore.ConfigError, match="now that it is compiled, on the device"):
        elsinore.train(config=TOY, runs_dir=tmp_path, name="large", check=False)
    assert not list((tmp_path / "large").glob("checkpoints/*/*"))
