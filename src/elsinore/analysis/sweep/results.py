"""Results of trials, read from the runs of their groups."""

import json
from typing import Any, NamedTuple

import numpy as np

from elsinore.config.search import Sweep, SweepTrial, TrialGroup
from elsinore.runs.members import from_writable
from elsinore.runs.run import Run
from elsinore.runs.statistics import ci95
from elsinore.runs.store.store import reading


class TrialResult(NamedTuple):
    """The result of one trial; its score is the mean over seeds."""

    trial: int
    group: str
    settings: dict[str, Any]  # the final ones if they evolved
    state: str  # complete | pruned | failed
    score: float | None  # None: failed
    interval: list[float] | None  # 95 %, of the mean over seeds; None for fewer than two
    per_seed: list[float | None]
    env_steps: int  # of the longest-trained seed
    replicas: list[int]  # column `seed` of the group's store

    @property
    def is_whole(self) -> bool:
        return self.state == "complete"


def group_results(sweep: Sweep, group: TrialGroup, run: Run | None, name: str) -> list[TrialResult]:
    """Results of all trials of a group, in order; `run` is None for a failed group."""
    if run is None:
        return [failed_trial(trial, name) for trial in group.trials]
    summary, scores = run.summary, trial_scores(sweep, run)
    return [
        _result(trial, member, summary, scores, sweep.experiment.seeds, name)
        for trial, member in zip(group.trials, group.members, strict=True)
    ]


def failed_trial(trial: SweepTrial, group: str) -> TrialResult:
    """The result of a trial that could not be trained."""
    return TrialResult(trial.number, group, trial.settings, "failed", None, None, [], 0, [])


def _result(
    trial: SweepTrial, member: int, summary: dict, scores: np.ndarray, seeds: int, name: str
) -> TrialResult:
    at = slice(member * seeds, (member + 1) * seeds)
    mine = scores[at]
    broken = not np.isfinite(mine).all() or any(
        x is not None for x in summary["diverged_at_env_steps"][at]
    )
    pruned = any(x is not None for x in summary.get("pruned_at_env_steps", [])[at])
    settings = trial.settings | (
        from_writable(summary["members_final"][member]) if "members_final" in summary else {}
    )
    return TrialResult(
        trial.number,
        name,
        settings,
        "failed" if broken else "pruned" if pruned else "complete",
        None if broken else float(mine.mean()),
        None if broken else ci95(mine, statistic=np.mean),
        [float(x) if np.isfinite(x) else None for x in mine],
        max(summary["env_steps_per_seed"][at]),
        [summary["first_seed"] + r for r in range(at.start, at.stop)],
    )


def trial_scores(sweep: Sweep, run: Run) -> np.ndarray:
    """The sweep's metric of every replica: the final evaluation's, or the last value logged."""
    if sweep.config.metric == "eval/return":
        return np.array(run.summary["eval_return"]["per_seed"], float)
    with reading(run.path / "metrics.sqlite") as store:
        last = {row.seed: row.value for row in store.rows(names=[sweep.config.metric], agent="")}
    return np.array([last.get(seed, np.nan) for seed in run.experiment.replica_seeds])


def ranked(results: list[TrialResult], mode: str) -> list[TrialResult]:
    """Results from best to worst: complete trials, then pruned, then failed ones."""
    order = {"complete": 0, "pruned": 1, "failed": 2}
    sign = -1.0 if mode == "max" else 1.0
    return sorted(results, key=lambda r: (order[r.state], sign * (r.score or 0.0), r.trial))


def best_trial(results: list[TrialResult], mode: str) -> TrialResult | None:
    first = ranked(results, mode)[:1]
    return first[0] if first and first[0].is_whole else None


def best_seed(result: TrialResult, mode: str) -> int | None:
    """The replica of a trial with the best score, as `Run.policy` takes it; None where none has
    one."""
    sign = 1.0 if mode == "max" else -1.0
    scored = zip(result.per_seed, result.replicas, strict=True)
    found = [(sign * score, -seed) for score, seed in scored if score is not None]
    return -max(found)[1] if found else None


def setting_text(value: Any) -> str:
    """A setting as a config has it: null and true, not None and True."""
    return str(value) if isinstance(value, (str, float)) else json.dumps(value)


def csv_row(result: TrialResult) -> dict[str, Any]:
    """One row of trials.csv."""
    low, high = result.interval or (None, None)
    row = {
        "trial": result.trial,
        "group": result.group,
        "state": result.state,
        "score": result.score,
        "low": low,
        "high": high,
        "env_steps": result.env_steps,
        "per_seed": json.dumps(result.per_seed),
    }
    for name, value in result.settings.items():
        column = f"{name} (setting)" if name in row else name  # env_steps may be searched
        row[column] = setting_text(value)
    return row
