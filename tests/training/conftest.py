"""A whole run of a small algorithm, as the pure program that a chunk is."""

import jax
import jax.numpy as jnp
import pytest

from elsinore import envs
from elsinore.training.chunk import build_program
from elsinore.training.early_stopping import ConvergenceConfig
from elsinore.training.evaluation import EvaluationConfig
from elsinore.training.layout import layout_for
from elsinore.training.replicas import init_seeds, over_seeds
from elsinore.training.schedule import Schedule
from tests.algos.trainees import DQN, MAKE, SAC, TD3

SOON = {"num_envs": 4, "learning_starts": 32, "batch_size": 16, "buffer_size": 128}
RAINBOW = {"v_min": 0.0, "v_max": 50.0, "noisy": True, "double": True, "dueling": True}
FROM_REPLAY = {  # configs that learn from their second update on, and their environments
    "sac": (SAC(n_step=3, prioritized=True, **SOON), "Pendulum-v1"),
    "td3": (TD3(normalize_obs=True, gradient_steps=3, **SOON), "Pendulum-v1"),
    "rainbow": (
        DQN(distribution="c51", atoms=11, n_step=3, prioritized=True, **RAINBOW | SOON),
        "CartPole-v1",
    ),
    "munchausen iqn": (
        DQN(munchausen=True, distribution="iqn", quantiles=4, **SOON),
        "CartPole-v1",
    ),
}
SLOW = ("td3", "rainbow", "munchausen iqn")


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


@pytest.fixture(
    scope="session",
    params=[pytest.param(x, marks=[pytest.mark.slow] * (x in SLOW)) for x in FROM_REPLAY],
)
def trained_from_replay(request):
    """The same of an algorithm with a replay buffer."""
    config, name = FROM_REPLAY[request.param]
    env, env_params = envs.make(name)
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
