"""The results of a run as `elsinore train` prints them."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from elsinore.cli.run_report import run_report
from elsinore.config.experiment import Experiment


def score(*per_seed):
    mean = sum(per_seed) / len(per_seed)
    ci95 = [min(per_seed), max(per_seed)] if len(per_seed) > 1 else None
    return {"mean": mean, "iqm": mean, "ci95": ci95, "per_seed": list(per_seed)}


@pytest.mark.parametrize(
    ("best", "said"),
    [((2.0,), "2.0"), ((2.0, 3.0), "IQM 2.5, 95 % interval [2.0, 3.0], mean 2.5")],
)
def test_the_best_member_is_named_of_one_seed_too(best, said):
    replicas = 2 * len(best)
    summary = {
        "algo": "ppo",
        "env": "CartPole-v1",
        "stopped_by": "budget",
        "env_steps": 64,
        "env_steps_per_seed": [64] * replicas,
        "first_seed": 0,
        "seeds": len(best),
        **{
            f"{how}_at_env_steps": [None] * replicas for how in ("converged", "plateau", "diverged")
        },
        "members": [{"algo.gamma": 0.9}, {"algo.gamma": 0.99}],
        "eval_return": score(*(1.0 for _ in best), *best),
        "best_member": {"member": 1, "eval_return": score(*best)},
        "eval_episodes": 8,
        "steps_per_second": 1e4,
        "compile_seconds": 1.0,
        "train_seconds": 1.0,
    }
    run = SimpleNamespace(summary=summary, path=Path("runs/one"), experiment=Experiment())
    assert f"  best member algo.gamma=0.99: {said}" in run_report(run).splitlines()
