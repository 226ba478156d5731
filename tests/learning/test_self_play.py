"""By playing against copies of itself, a policy finds the best play of Nim, which it never saw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import elsinore
from elsinore.envs import make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SEEDS = 8
QUIET = {"sinks.console": False, "sinks.tensorboard": False, "sinks.mlflow.enabled": False}


@pytest.mark.parametrize("algo", ["ppo", "dqn", "pqn"])
def test_every_seed_plays_every_winning_position_perfectly(algo, tmp_path):
    """The greedy move of each of the 16 positions leaves a multiple of 4 in 8 of 8 seeds, after the
    preset's steps: as docs/how-to/self-play.md has it."""
    short = {"evaluation.episodes": 32, "convergence.enabled": False, "replays.share": 0}
    run = elsinore.train(
        "Nim", algo, overrides=QUIET | short | {"self_play": {}}, seeds=SEEDS, runs_dir=tmp_path
    )
    env, _ = make("Nim")
    heaps = np.array([heap for heap in range(1, 22) if heap % 4])
    seen = jax.tree.map(np.asarray, jax.vmap(env.seen)(jnp.asarray(heaps)))
    for seed in range(SEEDS):
        taken = 1 + run.policy(seed=seed, checkpoint="latest")(seen)
        assert (taken == heaps % 4).all(), (seed, heaps[taken != heaps % 4])
    assert min(run.summary["eval_facts"]["won"]["per_seed"]) > 0.95
