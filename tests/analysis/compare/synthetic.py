"""Synthetic results for tests of the report."""

from pathlib import Path

import numpy as np

from elsinore.analysis.compare.results import RunResult, RunResults
from elsinore.analysis.compare.scores import Scores
from elsinore.config.load import experiment_from

NAN = float("nan")


def result(
    label,
    returns,
    env="CartPole-v1",
    steps=(100, 200, 300),
    curve=None,
    settings=None,
    on_stage=False,
    **summary,
) -> RunResult:
    """A finished run with these final returns; its curve rises to them linearly."""
    returns = np.asarray(returns, float)
    if curve is None:
        curve = returns[:, None] * np.linspace(1 / len(steps), 1, len(steps))
    full_summary = {
        "env_steps": 300,
        "updates": 3,
        "env_steps_per_seed": [300] * len(returns),
        "first_seed": 0,
        "converged_at_env_steps": [None] * len(returns),
        "plateau_at_env_steps": [None] * len(returns),
        "diverged_at_env_steps": [None] * len(returns),
        "steps_per_second": 1e5,
        "compile_seconds": 2.0,
        "train_seconds": 3.0,
        "evaluation_seconds": 0.5,
        "stopped_by": "budget",
        "eval_return": {"per_seed": returns.tolist()},
        "versions": {"python": "3.12", "jax": "1"},
    }
    experiment = experiment_from({"env": env, "seeds": len(returns), **(settings or {})})
    seconds = np.arange(1.0, len(steps) + 1)
    return RunResult(
        label,
        Path("runs") / label,
        experiment,
        full_summary | summary,
        returns,
        np.array(steps),
        seconds,
        np.asarray(curve, float),
        on_stage,
    )


def scores(*results, thresholds=None, references=None, excluded=()) -> Scores:
    return Scores(RunResults(list(results), list(excluded)), thresholds or {}, references or {})
