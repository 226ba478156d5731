"""`elsinore.compare` trains and reports; `report` reports on runs that exist."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from elsinore.analysis.cluster import OnCluster
from elsinore.analysis.compare.cluster import check_for_cluster, train_on
from elsinore.analysis.compare.grid import cell_state, grid_cells
from elsinore.analysis.compare.mlflow import log_report_to_mlflow
from elsinore.analysis.compare.results import (
    RunResults,
    load_results,
    read_results,
    recorded_in,
    with_finite_returns,
)
from elsinore.analysis.compare.scores import Scores, pairs_table, scores_table
from elsinore.analysis.compare.thresholds import check_thresholds
from elsinore.analysis.compare.training import text_of_error, train_here
from elsinore.analysis.compare.variants import variants_of
from elsinore.analysis.compare.write import write_comparison_report
from elsinore.arguments import checked
from elsinore.errors import ConfigError, counted, shown
from elsinore.runs import api
from elsinore.runs.call import as_override, setting_of
from elsinore.runs.run import Run
from elsinore.runs.run_dir import COMPARISON, check_folder_name, free_name_from, runs_inside
from elsinore.runs.run_log import quiet_terminal


@dataclass(frozen=True)
class Comparison:
    """Finished runs and their statistics; `path` is the folder of `report.html`."""

    path: Path
    results: RunResults
    thresholds: Mapping[str, float]  # by environment; "" for all
    references: Mapping[str, tuple[float, float]]
    failed: Mapping[str, str] = field(default_factory=dict)  # errors by `env, label`
    interrupted: bool = False  # then no report has been written yet

    def __repr__(self) -> str:
        return f"Comparison({shown(self.path)!r}, {counted(len(self.results.finished), 'run')})"

    @cached_property
    def scores(self) -> Scores:
        """The statistics of the report."""
        return Scores(self.results, self.thresholds, self.references)

    @property
    def table(self):
        """Pandas table with one row per environment and algorithm."""
        return scores_table(self.scores)

    @property
    def pairs(self):
        """Pandas table of the probability that a run of `first` beats one of `second`: the ends of
        its interval, p, and whether the difference is clear, for each pair in each environment. An
        empty `env` is all environments together."""
        return pairs_table(self.scores)

    @property
    def best(self) -> dict[str, str]:
        """By environment the label with the highest IQM of final returns; `pairs` says whether it
        is clearly better than the others."""
        found = {}
        for env in self.results.envs:
            iqms = {
                r.label: self.scores.over_seeds(r, "iqm").value for r in self.scores.in_env(env)
            }
            found[env] = max(iqms, key=lambda label: iqms[label])
        return found

    @property
    def runs(self) -> dict[tuple[str, str], Run]:
        """The finished runs, by environment and label."""
        return {(r.env, r.label): api.load(r.path) for r in self.results.finished}


def _advice(name: str, value: Any) -> str:
    """The remedy for an argument that `compare` does not have: it has several envs and algos."""
    several = {"env": "envs", "algo": "algos"}.get(setting_of(name))
    return f"give it as {several}={value!r}" if several else as_override(name, value)


@partial(checked, advice=_advice)
def compare(
    envs: Any = (),
    algos: str | Sequence[str] | Mapping[str, Any] = ("ppo",),
    *,
    seeds: int | None = None,
    seed: int | None = None,
    env_steps: float | None = None,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    thresholds: Mapping[str, float] | float | None = None,
    references: Mapping[str, Sequence[float]] | None = None,
    accept_versions: bool = False,
    accept_layout: bool = False,
    check: bool = True,
    on: str | None = None,
    cpus_per_task: int | None = None,
    gpus_per_task: float | None = None,
    progress: Callable[[str], None] = print,
) -> Comparison:
    """Train every algorithm in every environment, then write a report.

    Each pair is an ordinary run of `seeds` seeds (10) in `runs_dir/name/env/label`. A second call
    with the same name skips finished runs and resumes unfinished ones exactly; the report is of all
    runs in the folder, also of those that only an earlier call has named. A run that fails is in
    `failed` of what is returned, and the others are trained.

    Args:
        envs: one environment or a list, each as in `elsinore.train`.
        algos: texts such as `"ppo"` and `"fast=ppo:algo.gamma=0.9"` (see `variants`), or a mapping
            from label to dotted settings: `{"fast": {"algo": "ppo", "algo.gamma": 0.9}}`.
        env_steps: per seed; default: that of an environment's runs which have begun, if they
            agree, or else the largest budget among its presets.
        config, overrides: settings of every run; `overrides` win over all others but a variant's.
        thresholds: return to reach, one for all or by environment; default: `convergence.target`.
        references: by environment, the returns normalised to 0 and 1.
        accept_versions, accept_layout: as in `elsinore.resume`, for runs that are not finished.
        on: `"ray"` or `"ray://HOST:PORT"` trains the runs as tasks of a Ray cluster, with the same
            results (`docs/how-to/clusters.md`); by default they are trained here, one by one.
        cpus_per_task: CPU cores of a task; by default equal shares, at most one for each seed.
        gpus_per_task: GPUs of a task, also a fraction; by default one where the cluster has any.
        progress: called with one line before and after each run.

    Raises:
        ConfigError: for an invalid run, an existing run with other settings, or a threshold for
            an environment outside the comparison, before any training; or for a cluster that
            cannot be reached, and for an env object on one.
        RunError: for a task whose workers were lost too often; the comparison can be resumed.
        Exception: if no run is finished and some failed, what the first of them raised.
    """
    cluster = None if on is None else OnCluster(on, cpus_per_task, gpus_per_task)
    if cluster:
        cluster.start_devices()
    folder = _comparison_path(Path(runs_dir).absolute(), name)
    budget = {"seeds": seeds, "seed": seed, "env_steps": env_steps}
    overrides = {k: v for k, v in budget.items() if v is not None} | dict(overrides or {})
    begun = recorded_in(folder)
    cells = grid_cells(_as_list(envs), variants_of(algos), folder, config, overrides, check, begun)
    given = _as_mapping(thresholds), dict(references or {})
    known = (*(cell.experiment for cell in cells), *begun.values())
    check_thresholds((experiment.env for experiment in known), *given)
    if cluster:
        check_for_cluster(cells)
    states = [cell_state(cell) for cell in cells]
    accept = {"accept_versions": accept_versions, "accept_layout": accept_layout}
    _make(folder, new=name is None)
    with quiet_terminal(), cluster.joined() if cluster else nullcontext() as joined:
        if joined is None:
            done = train_here(cells, states, accept, progress)
        else:
            done = train_on(joined, cells, states, accept, progress, folder.name)
    # those of this call first, then others that an earlier call has trained in the folder
    runs = dict.fromkeys([*(cell.folder for cell in cells), *runs_inside(folder)])
    results = load_results([(run.name, run) for run in runs])
    failed = {name: text_of_error(error) for name, error in done.failed.items()}
    if done.interrupted:
        return Comparison(folder, results, *given, failed, interrupted=True)
    if failed and not results.finished:
        raise next(iter(done.failed.values()))
    comparison = _reported(Comparison(folder, with_finite_returns(results), *given, failed))
    with suppress(KeyboardInterrupt):  # only MLflow is missing by now
        log_report_to_mlflow((cell.experiment for cell in cells), comparison.scores, folder)
    return comparison


@checked
def report(
    runs: Sequence[str | Path] | str | Path,
    *,
    out: str | Path | None = None,
    runs_dir: str | Path = "runs",
    thresholds: Mapping[str, float] | float | None = None,
    references: Mapping[str, Sequence[float]] | None = None,
) -> Comparison:
    """Write the report of existing runs; seeds, budgets and environments may be unequal.

    Args:
        runs: folders of runs or comparisons, or their names in `runs_dir`; `"LABEL=RUN"` labels
            a run, and `"LABEL=COMPARISON"` all runs of a comparison.
        out: output folder; default: the comparison's folder if `runs` is one comparison, else
            `report`.

    Raises:
        ConfigError: for a folder that is not a run, or if no run has a finite return.
    """
    results, home = read_results(
        [runs] if isinstance(runs, str | Path) else list(runs), Path(runs_dir)
    )
    given = _as_mapping(thresholds), dict(references or {})
    check_thresholds((run.env for run in (*results.finished, *results.excluded)), *given)
    path = Path(out) if out is not None else home or Path("report")
    return _reported(Comparison(path, results, *given))


def _reported(comparison: Comparison) -> Comparison:
    write_comparison_report(comparison.scores, comparison.path)
    return comparison


def _comparison_path(runs_dir: Path, name: str | None) -> Path:
    if name is None:
        return runs_dir / free_name_from("comparison", runs_dir)
    check_folder_name(name)
    for file, kind in (("config.yaml", "run"), ("sweep.yaml", "sweep")):
        if (runs_dir / name / file).exists():
            raise ConfigError(
                f"name={name!r} is the name of a {kind} in {shown(runs_dir)}; choose another."
            )
    return runs_dir / name


def _make(folder: Path, new: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=not new)
        (folder / COMPARISON).touch()
    except OSError as error:
        if new and isinstance(error, FileExistsError):
            raise ConfigError(
                f"{shown(folder)} was begun by another command at the same time; give this one a"
                " --name (in Python, name)."
            ) from error
        raise ConfigError(
            f"runs folder {shown(folder.parent)} cannot be written:"
            f" {os.strerror(error.errno or 0)}; choose another with --runs-dir (in Python,"
            " runs_dir)."
        ) from error


def _as_list(envs: Any) -> list:
    return list(envs) if isinstance(envs, list | tuple) else [] if envs is None else [envs]


def _as_mapping(thresholds: Mapping[str, float] | float | None) -> dict[str, float]:
    if thresholds is None:
        return {}
    return dict(thresholds) if isinstance(thresholds, Mapping) else {"": float(thresholds)}
