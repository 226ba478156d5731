"""Finished runs read from their folders, and the runs that are excluded."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.experiment import Experiment
from elsinore.errors import ConfigError, reason_of, shown
from elsinore.runs.checkpoints.choice import evaluated_stages
from elsinore.runs.curves.values import values_by_seed
from elsinore.runs.remote import is_remote
from elsinore.runs.run_dir import RunDir, as_file_name, listing_of, runs_inside
from elsinore.runs.store.store import reading
from elsinore.runs.summary import read_summary


@dataclass(frozen=True)
class RunResult:
    """A finished run: its settings, final returns and learning curve."""

    label: str
    path: Path
    experiment: Experiment
    summary: dict[str, Any]  # summary.json
    returns: np.ndarray  # [seed]: mean return of the final evaluation; NaN where it is not finite
    steps: np.ndarray  # [evaluation]: env steps of one seed
    seconds: np.ndarray  # [evaluation]: training time of all seeds together
    curve: np.ndarray  # [seed, evaluation]: mean return; constant after a seed has stopped
    on_stage: bool = False  # evaluations are of the stage that a seed has reached

    @property
    def env(self) -> str:
        return self.experiment.env

    @property
    def algo(self) -> str:
        return self.experiment.algorithms

    @property
    def seeds(self) -> int:
        return len(self.returns)

    @property
    def budget(self) -> int:
        """Env steps of the longest-trained seed."""
        return self.summary["env_steps"]

    @property
    def env_settings(self) -> dict[str, Any]:
        """The settings that make another environment of the one that is named."""
        wrappers = list(self.experiment.wrappers)
        own = self.experiment.env_kwargs | self.experiment.env_params
        return own | ({"wrappers": wrappers} if wrappers else {})

    @property
    def episode_stats(self) -> dict[str, dict[str, Any]]:
        """Further statistics of the final evaluation, by name: `called` is the display name,
        `per_seed` the means. Empty if the environment has none."""
        return self.summary.get("eval_facts", {})

    @property
    def agent_returns(self) -> dict[str, np.ndarray]:
        """The returns of each of several agents, [seed], by name; NaN where not finite."""
        of_agents = np.array(self.summary["eval_return"].get("per_agent") or [], float)
        return dict(zip(self.experiment.agents.names, of_agents.T, strict=False))

    @property
    def stopped_early(self) -> int:
        """Number of seeds stopped by convergence or on a plateau before their budget."""
        stops = (self.summary[f"{how}_at_env_steps"] for how in ("converged", "plateau"))
        return sum(
            at is not None and at < self.whole_budget
            for at in (a if a is not None else b for a, b in zip(*stops, strict=True))
        )

    @property
    def whole_budget(self) -> float:
        """Env steps of a budget, in whole updates; infinite where only a run can count it."""
        updates = self.summary["updates"]
        if self.experiment.stop.unit or not updates:
            return float("inf")
        per_update = self.summary["env_steps"] // updates
        return self.experiment.env_steps // per_update * per_update

    @property
    def diverged(self) -> int:
        """Number of seeds whose parameters became NaN or infinite."""
        return sum(at is not None for at in self.summary["diverged_at_env_steps"])


@dataclass(frozen=True)
class ExcludedRun:
    """A run left out of the statistics, with the reason."""

    env: str
    label: str
    path: Path
    reason: str


@dataclass(frozen=True)
class RunResults:
    """The runs of a comparison: counted and excluded ones."""

    finished: list[RunResult]
    excluded: list[ExcludedRun]

    @cached_property
    def envs(self) -> list[str]:
        return list(dict.fromkeys(result.env for result in self.finished))

    @cached_property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(result.label for result in self.finished))

    def of(self, env: str, label: str) -> RunResult | None:
        return next((r for r in self.finished if (r.env, r.label) == (env, label)), None)


def with_finite_returns(results: RunResults) -> RunResults:
    """Exclude environments in which no seed has a finite return.

    Raises:
        ConfigError: if no run is left.
    """
    finite = {result.env for result in results.finished if np.isfinite(result.returns).any()}
    reason = "without a finite return, like every run in its environment"
    excluded = [
        ExcludedRun(r.env, r.label, r.path, reason) for r in results.finished if r.env not in finite
    ]
    left = RunResults(
        [r for r in results.finished if r.env in finite], [*results.excluded, *excluded]
    )
    if not left.finished:
        reasons = "; ".join(f"{shown(x.path)} is {x.reason}" for x in left.excluded)
        raise ConfigError(f"there is nothing to report: every run is excluded ({reasons}).")
    return left


def load_results(named: Sequence[tuple[str, Path]]) -> RunResults:
    """Read (label, folder) pairs.

    Raises:
        ConfigError: if two runs in one environment have the same label.
    """
    read = [read_run(label, path) for label, path in named]
    finished = [x for x in read if isinstance(x, RunResult)]
    twice = [
        pair for pair, count in Counter((r.env, r.label) for r in finished).items() if count > 1
    ]
    if twice:
        raise ConfigError(
            f"two runs on {twice[0][0]} have the label {twice[0][1]!r}; name one of them:"
            " LABEL=RUN."
        )
    return RunResults(finished, [x for x in read if isinstance(x, ExcludedRun)])


def read_run(label: str, path: Path) -> RunResult | ExcludedRun:
    """Read one run; an unfinished or unreadable one becomes an `ExcludedRun`."""
    folder, env = RunDir(path), "?"
    try:
        experiment = folder.recorded()
        env = experiment.env
        if not folder.summary.exists():
            reason = "being trained" if folder.is_locked() else "unfinished"
            return ExcludedRun(env, label, path, reason)
        summary = read_summary(folder.summary)
        if summary.get("stopped_by") == "interrupted":
            reason = f"interrupted after {summary['env_steps']:,} env steps"
            return ExcludedRun(env, label, path, reason)
        per_seed = summary["eval_return"]["per_seed"]
        if len(per_seed) != experiment.seeds:
            members = len(per_seed) // experiment.seeds
            reason = f"a population of {members} members with different settings"
            return ExcludedRun(env, label, path, reason)
        returns = np.array(per_seed, float)
        on_stage = evaluated_stages(folder.checkpoints, experiment)
        return RunResult(label, path, experiment, summary, returns, *_curve(folder), on_stage)
    except Exception as error:  # a run's files may hold anything; the others are reported
        reason = f"unreadable: {reason_of(error)}".rstrip(".")  # it is a part of a sentence
        return ExcludedRun(env, label, path, reason)


def _curve(folder: RunDir) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Env steps [evaluation], seconds [evaluation] and returns [seed, evaluation]. The seconds are
    infinite from a chunk on whose time is not known, since it was restored."""
    with reading(folder.database) as store:
        rows, chunks = store.rows(names=["eval/return"], agent=""), store.chunks()
        steps = store.steps_per_update()
    updates, values = values_by_seed(rows, "eval/return")
    ends = np.array([chunk[0] for chunk in chunks])
    elapsed = np.cumsum([0.0, *(chunk[3] or np.inf for chunk in chunks)])
    return updates * steps, elapsed[np.searchsorted(ends, updates, side="right")], values


def read_results(runs: Sequence[str | Path], runs_dir: Path) -> tuple[RunResults, Path | None]:
    """Read runs and comparisons by path, name or URL; also returns a single comparison's folder.

    Runs of comparisons have the labels of their folders, with that of the comparison, or its name,
    where it has one or two comparisons have the same run.

    Raises:
        ConfigError: for a path that is neither, without one, or if no run has a finite return.
    """
    if not runs:
        raise ConfigError("no run is given; name runs or comparisons to report.")
    named = [_named(str(text), runs_dir) for text in runs]
    # by the resolved path: what is named twice, in whatever spelling, is one
    inside = {path.resolve(): runs_inside(path) for _, path in named if not _is_run(path)}
    taken = Counter((run.parent.name, run.name) for runs in inside.values() for run in runs)
    found: dict[Path, tuple[Path, str | None]] = {}
    for label, path in named:
        if _is_run(path):
            found.setdefault(path.resolve(), (path, label))
            continue
        for run in runs_inside(path):
            alone = label is None and taken[run.parent.name, run.name] == 1
            own = run.name if alone else f"{run.name} in {label or path.resolve().name}"
            found.setdefault(run.resolve(), (run, own))
    results = load_results(_with_labels(dict(found.values())))
    home = named[0][1] if len(named) == 1 and not _is_run(named[0][1]) else None
    return with_finite_returns(results), home


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file()


def recorded_in(comparison: Path) -> dict[Path, Experiment]:
    """The settings of a comparison's runs, by folder. Those that cannot be read are left out; the
    report names them."""
    found = {}
    for run in runs_inside(comparison):
        with suppress(Exception):  # another run's file may hold anything
            found[run] = RunDir(run).recorded()
    return found


def _named(text: str, runs_dir: Path) -> tuple[str | None, Path]:
    """Split `LABEL=RUN`, or `LABEL=COMPARISON`; a path with `=` that exists has precedence. A copy,
    by its URL, is fetched into `runs_dir`."""
    label, equals, run = text.partition("=")
    choices = [(None, text)] + ([(label, os.path.expanduser(run))] if equals and label else [])
    for name, place in choices:
        for path in (Path(place), runs_dir / place):
            if _is_run(path) or runs_inside(path):
                return name, path
    for name, place in reversed(choices):  # of `LABEL=URL` the URL
        if is_remote(place):
            return name, RunDir.open(place, runs_dir).path
    raise ConfigError(
        f"{text} is neither a run nor a comparison; {listing_of(runs_dir)} lists the runs in"
        f" {runs_dir}."
    )


def _with_labels(found: dict[Path, str | None]) -> list[tuple[str, Path]]:
    """Label unlabelled runs by algorithm, then by folder name, then by parent folder, until the
    labels of an environment are unique."""
    about = {path: _env_and_algo(path) for path, label in found.items() if label is None}
    count = Counter(about.values())
    labels = {path: label or about[path][1] for path, label in found.items()}
    for path, (env, algo) in about.items():
        if count[env, algo] > 1:
            short = _short(path.name, env, algo)
            labels[path] = short if short.startswith(as_file_name(algo)) else f"{algo} {short}"
    taken = Counter((about[path][0], labels[path]) for path in about)
    for path in about:
        if taken[about[path][0], labels[path]] > 1:
            labels[path] = f"{labels[path]} in {path.resolve().parent.name}"
    return [(label, path) for path, label in labels.items()]


def _env_and_algo(path: Path) -> tuple[str, str]:
    try:
        experiment = RunDir(path).recorded()
    except Exception:  # `read_run` says why
        return "?", path.name
    return experiment.env, experiment.algorithms


def _short(name: str, env: str, algo: str) -> str:
    """A folder name without environment and algorithm: `CartPole-v1-ppo-20260101-120000` becomes
    `20260101-120000`."""
    return (
        name.removeprefix(as_file_name(env)).removeprefix(f"-{as_file_name(algo)}").lstrip("-")
        or name
    )
