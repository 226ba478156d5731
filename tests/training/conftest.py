"""A whole run of a small algorithm, as the pure program that a chunk is."""

import jax
import jax.numpy as jnp
import pytest

from elsinore import envs
from elsinore.training.chunk import Schedule, build_program
from elsinore.training.convergence import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.replicas import init_seeds, layout_for, over_seeds
from tests.algos.trainees import MAKE, SAC, TD3

SOON = {"num_envs": 4, "learning_starts": 32, "batch_size": 16, "buffer_size": 128}
CONTINUOUS = {
    "sac": SAC(n_step=3, prioritized=True, **SOON),
    "td3": TD3(normalize_obs=True, gradient_steps=3, **SOON),
}


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
    return trainer_of(program)


@pytest.fixture(scope="session", params=["sac", pytest.param("td3", marks=pytest.mark.slow)])
def trained_on_pendulum(request):
    """The same of an algorithm of continuous actions, which learns from its second update on."""
    config = CONTINUOUS[request.param]
    env, env_params = envs.make("Pendulum-v1")
    env_params = env_params.replace(max_steps_in_episode=10)
    program = build_program(
        MAKE[config.name](config, env, env_params, 12),
        env,
        env_params,
        Schedule(num_updates=12, updates_per_chunk=6, updates_per_row=2),
        EvaluationConfig(episodes=2, final_episodes=2),
        ConvergenceConfig(enabled=False),
        max_steps=10,
    )
    return trainer_of(program)


def trainer_of(program):
    """A function of (number of seeds, chunks of `num_updates`, layout): the final states of seeds 0
    .. num_seeds - 1, and every report."""
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
