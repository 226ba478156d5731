"""A whole run of a small algorithm, as the pure program that a chunk is."""

import jax
import jax.numpy as jnp
import pytest

from elsinore.training.chunk import Schedule, build_program
from elsinore.training.convergence import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.replicas import init_seeds, layout_for, over_seeds


@pytest.fixture(scope="session")
def program(cartpole_ppo):
    """12 updates in chunks of 6, rows of 2."""
    return build_program(
        cartpole_ppo.algo,
        cartpole_ppo.env,
        cartpole_ppo.env_params,
        Schedule(num_updates=12, updates_per_chunk=6, updates_per_row=2),
        EvaluationConfig(episodes=8, final_episodes=16),
        ConvergenceConfig(enabled=False),
        max_steps=500,
    )


@pytest.fixture(scope="session")
def trained(program):
    """Chunks of `num_updates` of seeds 0 .. num_seeds - 1 in a layout: (final states, every
    report)."""
    compiled = {}

    def train(num_seeds: int, chunks: tuple[int, ...], kind: str = "map", first_seed: int = 0):
        layout = layout_for(num_seeds, kind)
        launch = compiled.setdefault((num_seeds, kind), over_seeds(program.chunk, layout))
        states, reports = init_seeds(program, layout, first_seed), []
        for size in chunks:
            states, report = launch(states, jnp.int32(size))
            reports.append(jax.tree.map(lambda x: x[:num_seeds], report))
        return jax.tree.map(lambda x: x[:num_seeds], states), reports

    return train
