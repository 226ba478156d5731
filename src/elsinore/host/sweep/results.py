"""What came of each trial, read from the run that it was a member of."""

import json
from typing import Any, NamedTuple

import numpy as np

from elsinore.config.sweep import Group, Sweep, Trial
from elsinore.host.result import Run
from elsinore.host.statistics import ci95
from elsinore.host.store import Store


class Result(NamedTuple):
    """One trial's outcome; its score is the mean over its seeds."""

    trial: int
    group: str
    settings: dict[str, Any]  # where numbers evolve, as they were in the end
    state: str  # complete | pruned | failed
    score: float | None  # None: failed
    interval: list[float] | None  # 95 %, of the mean over seeds; None for fewer than two
    per_seed: list[float | None]
    env_steps: int  # of the seed that went furthest
    replicas: list[int]  # the trial's rows in the group's run

    @property
    def is_whole(self) -> bool:
        return self.state == "complete"


def results_of(sweep: Sweep, group: Group, run: Run | None, name: str) -> list[Result]:
    """Of every trial of a group, in order; `run` is None where the group has failed."""
    if run is None:
        return [failed(trial, name) for trial in group.trials]
    summary, scores = run.summary, scores_of(sweep, run)
    return [
        _result(trial, member, summary, scores, sweep.experiment.seeds, name)
        for trial, member in zip(group.trials, group.members, strict=True)
    ]


def failed(trial: Trial, group: str) -> Result:
    """A trial of which nothing came."""
    return Result(trial.number, group, trial.settings, "failed", None, None, [], 0, [])


def _result(trial: Trial, member: int, summary: dict, scores: np.ndarray, seeds: int, name: str) -> Result:
    at = slice(member * seeds, (member + 1) * seeds)
    mine = scores[at]
    broken = not np.isfinite(mine).all() or any(x is not None for x in summary["diverged_at_env_steps"][at])
    pruned = any(x is not None for x in summary.get("pruned_at_env_steps", [])[at])
    settings = trial.settings | (summary["members_final"][member] if "members_final" in summary else {})
    return Result(
        trial.number, name, settings, "failed" if broken else "pruned" if pruned else "complete",
        None if broken else float(mine.mean()), None if broken else ci95(mine, statistic=np.mean),
        [float(x) if np.isfinite(x) else None for x in mine], max(summary["env_steps_per_seed"][at]),
        [summary["first_seed"] + r for r in range(at.start, at.stop)],
    )  # fmt: skip


def scores_of(sweep: Sweep, run: Run) -> np.ndarray:
    """The sweep's metric of every replica: of the final evaluation, or the last that was told of it."""
    if sweep.config.metric == "eval/return":
        return np.array([np.nan if x is None else x for x in run.summary["eval_return"]["per_seed"]])
    store = Store(run.path / "metrics.sqlite", read_only=True)
    last = {row.seed: row.value for row in store.rows(names=[sweep.config.metric], agent="")}
    store.close()
    first = run.experiment.seed
    return np.array([last.get(seed, np.nan) for seed in range(first, first + run.experiment.replicas)])


def ranked(results: list[Result], mode: str) -> list[Result]:
    """The best first: those that were trained to the end, then the pruned, then the failed."""
    order = {"complete": 0, "pruned": 1, "failed": 2}
    sign = -1.0 if mode == "max" else 1.0
    return sorted(results, key=lambda r: (order[r.state], sign * (r.score or 0.0), r.trial))


def best_of(results: list[Result], mode: str) -> Result | None:
    first = ranked(results, mode)[:1]
    return first[0] if first and first[0].is_whole else None


def as_row(result: Result) -> dict[str, Any]:
    """One line of trials.csv."""
    low, high = result.interval or (None, None)
    return {
        "trial": result.trial, "group": result.group, "state": result.state, "score": result.score,
        "low": low, "high": high, "env_steps": result.env_steps, "per_seed": json.dumps(result.per_seed),
        **{name: value if isinstance(value, int | float | str) else json.dumps(value)
           for name, value in result.settings.items()},
    }  # fmt: skip
