"""Run folders, read: what each algorithm came to in each environment, and what is not finished."""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.build import ConfigError
from elsinore.config.experiment import Experiment
from elsinore.host.curves import over_seeds
from elsinore.host.folder import RunFolder, as_file_name
from elsinore.host.store import Store


@dataclass(frozen=True)
class Result:
    """A finished run."""

    label: str
    path: Path
    experiment: Experiment
    summary: dict[str, Any]  # summary.json
    returns: np.ndarray  # [seed]: mean return of the final evaluation; NaN where it is not finite
    steps: np.ndarray  # [evaluation]: env steps of one seed
    seconds: np.ndarray  # [evaluation]: of training, all seeds together
    curve: np.ndarray  # [seed, evaluation]: mean return; a seed that has stopped keeps its last

    @property
    def env(self) -> str:
        return self.experiment.env

    @property
    def algo(self) -> str:
        return self.experiment.algo.name

    @property
    def seeds(self) -> int:
        return len(self.returns)

    @property
    def budget(self) -> int:
        """Env steps of the seed that went furthest."""
        return self.summary["env_steps"]

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What the world tells of the final evaluation beside the return: of each what it is `called`, and `per_seed`
        the mean. Empty where it tells nothing."""
        return self.summary.get("eval_facts", {})

    @property
    def stopped_early(self) -> int:
        """How many seeds stopped before the others, or before their budget."""
        converged, plateau = self.summary["converged_at_env_steps"], self.summary["plateau_at_env_steps"]
        return sum(a is not None or b is not None for a, b in zip(converged, plateau, strict=True))


@dataclass(frozen=True)
class Unfinished:
    """A run that cannot be counted, and why."""

    env: str
    label: str
    path: Path
    why: str


@dataclass(frozen=True)
class Results:
    finished: list[Result]
    unfinished: list[Unfinished]

    @cached_property
    def envs(self) -> list[str]:
        return list(dict.fromkeys(result.env for result in self.finished))

    @cached_property
    def labels(self) -> list[str]:
        return list(dict.fromkeys(result.label for result in self.finished))

    def of(self, env: str, label: str) -> Result | None:
        return next((r for r in self.finished if (r.env, r.label) == (env, label)), None)


def countable(results: Results) -> Results:
    """Without the environments in which not one seed came to a finite return: there is nothing to say of them.

    Raises:
        ConfigError: where nothing is left.
    """
    sound = {result.env for result in results.finished if np.isfinite(result.returns).any()}
    why = "without a finite return, like every run in its environment"
    hopeless = [Unfinished(r.env, r.label, r.path, why) for r in results.finished if r.env not in sound]
    left = Results([r for r in results.finished if r.env in sound], [*results.unfinished, *hopeless])
    if not left.finished:
        told = "; ".join(f"{x.path} is {x.why}" for x in left.unfinished)
        raise ConfigError(f"there is nothing to report: no run can be counted ({told}).")
    return left


def results_of(named: Sequence[tuple[str, Path]]) -> Results:
    """The runs in these folders under these labels.

    Raises:
        ConfigError: where two in one environment have the same label.
    """
    read = [read_run(label, path) for label, path in named]
    finished = [x for x in read if isinstance(x, Result)]
    twice = [pair for pair, count in Counter((r.env, r.label) for r in finished).items() if count > 1]
    if twice:
        raise ConfigError(f"two runs on {twice[0][0]} have the label {twice[0][1]!r}; name one of them: LABEL=RUN.")
    return Results(finished, [x for x in read if isinstance(x, Unfinished)])


def read_run(label: str, path: Path) -> Result | Unfinished:
    folder, env = RunFolder(path), "?"
    try:
        experiment = folder.experiment()
        env = experiment.env
        if not folder.summary.exists():
            return Unfinished(env, label, path, "being trained" if folder.is_locked() else "unfinished")
        summary = json.loads(folder.summary.read_text())
        if summary["stopped_by"] == "interrupted":
            return Unfinished(env, label, path, f"interrupted after {summary['env_steps']:,} env steps")
        returns = np.array([np.nan if x is None else x for x in summary["eval_return"]["per_seed"]], float)
        if len(returns) != experiment.seeds:
            return Unfinished(env, label, path, f"a sweep: {len(returns)} runs that are not of the same settings")
        return Result(label, path, experiment, summary, returns, *_curve(folder))
    except (ConfigError, OSError, ValueError, KeyError, TypeError, sqlite3.Error) as error:
        return Unfinished(env, label, path, f"unreadable: {type(error).__name__}: {error}")


def _curve(folder: RunFolder) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Env steps, seconds and returns of the evaluations while training."""
    store = Store(folder.database, read_only=True)
    try:
        rows, chunks = store.rows(names=["eval/return"], agent=""), store.chunks()
        steps = int(store.info()["steps_per_update"])
    finally:
        store.close()
    updates, values = over_seeds(rows, "eval/return")
    ends = np.array([chunk[0] for chunk in chunks])
    elapsed = np.cumsum([0.0, *(chunk[3] for chunk in chunks)])
    return updates * steps, elapsed[np.searchsorted(ends, updates, side="right")], values


def read_results(runs: Sequence[str | Path], runs_dir: Path) -> tuple[Results, Path | None]:
    """The results of what a person names; and the comparison's folder, where that is all that was named.

    Raises:
        ConfigError: for what is no run, or where not one can be counted.
    """
    found: dict[Path, str | None] = {}
    home = None
    for text in map(str, runs):
        label, path = _named(text, runs_dir)
        if (path / "config.yaml").is_file():
            found.setdefault(path, label)
            continue
        home = path
        for config in sorted(path.glob("[!.]*/[!.]*/config.yaml")):
            found.setdefault(config.parent, config.parent.name)
    return countable(results_of(_with_labels(found))), home if len(runs) == 1 else None


def _named(text: str, runs_dir: Path) -> tuple[str | None, Path]:
    """`LABEL=RUN`, or a path or name as it stands."""
    label, equals, run = text.partition("=")
    choices = [(None, text)] + ([(label, run)] if equals and label else [])
    for name, place in choices:
        for path in (Path(place), runs_dir / place):
            if (path / "config.yaml").is_file() or (name is None and any(path.glob("[!.]*/[!.]*/config.yaml"))):
                return name, path
    raise ConfigError(f"{text} is neither a run nor a comparison; `elsinore runs` lists the runs in {runs_dir}.")


def _with_labels(found: dict[Path, str | None]) -> list[tuple[str, Path]]:
    """Runs without a label go by their algorithm, and where that is not one alone also by their folder."""
    about = {path: _env_and_algo(path) for path, label in found.items() if label is None}
    count = Counter(about.values())
    labels = {path: label or about[path][1] for path, label in found.items()}
    for path, (env, algo) in about.items():
        if count[env, algo] > 1:
            short = _short(path.name, env, algo)
            labels[path] = short if short.startswith(as_file_name(algo)) else f"{algo} {short}"
    taken = Counter((about[path][0], labels[path]) for path in about)
    for path in about:
        if taken[about[path][0], labels[path]] > 1:  # folders of one name, in different places
            labels[path] = f"{labels[path]} in {path.resolve().parent.name}"
    return [(label, path) for path, label in labels.items()]


def _env_and_algo(path: Path) -> tuple[str, str]:
    try:
        experiment = RunFolder(path).experiment()
    except ConfigError:
        return "?", path.name
    return experiment.env, experiment.algo.name


def _short(name: str, env: str, algo: str) -> str:
    """A folder's name without what is said already: `CartPole-v1-ppo-20260101-120000` is `20260101-120000`."""
    return name.removeprefix(as_file_name(env)).removeprefix(f"-{as_file_name(algo)}").lstrip("-") or name
