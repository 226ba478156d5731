"""What a person calls: compare, and report on what there is."""

import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from elsinore.config.build import ConfigError
from elsinore.host import api
from elsinore.host.comparison.cells import Cell, cells_of, state_of
from elsinore.host.comparison.readings import check_readings
from elsinore.host.comparison.results import Results, countable, read_results, results_of
from elsinore.host.comparison.scores import Scores
from elsinore.host.comparison.tables import scores_table
from elsinore.host.comparison.variants import variants_of
from elsinore.host.comparison.write import write_report
from elsinore.host.result import Run
from elsinore.host.signals import stop_on_signals
from elsinore.host.sinks.console import Console

log = logging.getLogger("elsinore")


@dataclass(frozen=True)
class Comparison:
    """What came of several algorithms; `path` is the folder of `report.html` and `report.md`."""

    path: Path
    results: Results
    thresholds: Mapping[str, float]  # by environment; "" for all
    references: Mapping[str, tuple[float, float]]
    interrupted: bool = False  # the report is written once all is trained

    def __repr__(self) -> str:
        return f"Comparison({str(self.path)!r}, {len(self.results.finished)} runs)"

    @cached_property
    def scores(self) -> Scores:
        """The numbers behind the report."""
        return Scores(self.results, self.thresholds, self.references)

    @property
    def table(self):
        """A row for each environment and algorithm, as a pandas table."""
        return scores_table(self.scores)

    @property
    def runs(self) -> dict[tuple[str, str], Run]:
        """The finished runs, by environment and label."""
        return {(r.env, r.label): api.load(r.path) for r in self.results.finished}


def compare(
    envs: Any = (),
    algos: Sequence[str] | Mapping[str, Any] = ("ppo",),
    *,
    seeds: int | None = None,
    seed: int | None = None,
    env_steps: int | None = None,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    thresholds: Mapping[str, float] | float | None = None,
    references: Mapping[str, tuple[float, float]] | None = None,
    accept_versions: bool = False,
    check: bool = True,
    tell: Callable[[str], None] = print,
) -> Comparison:
    """Train every algorithm in every environment, and write a report of what came of them.

    Each is an ordinary run of `seeds` seeds (10) in `runs_dir/name/env/label`. Called again with the same name, it
    goes on where it was: what is finished stays, what is not is resumed exactly.

    Args:
        envs: an environment or several, each as `elsinore.train` takes it.
        algos: texts such as `"ppo"` and `"fast=ppo:algo.gamma=0.9"` (see `variants`), or a mapping from label to
            dotted settings: `{"fast": {"algo": "ppo", "algo.gamma": 0.9}}`.
        env_steps: of each seed; by default the largest of an environment's presets, for all of its algorithms.
        config, overrides: settings of all.
        thresholds: the return to be reached, for all or by environment; else the runs' `convergence.target`.
        references: by environment, the returns that count as 0 and as 1 across environments.
        tell: gets a line at a time of how far it is.

    Raises:
        ConfigError: for a cell that cannot be run, one that was begun with other settings, or a threshold for an
            environment that is not here; nothing is trained.
    """
    folder = _folder(Path(runs_dir), name)
    told = {k: v for k, v in {"seeds": seeds, "seed": seed, "env_steps": env_steps}.items() if v is not None}
    cells = cells_of(_as_list(envs), variants_of(algos), folder, config, {**(overrides or {}), **told}, check)
    given = _as_mapping(thresholds), dict(references or {})
    check_readings((cell.experiment.env for cell in cells), *given)
    states = [state_of(cell) for cell in cells]
    _make(folder)
    with _quiet():
        interrupted = _bring_all_to_their_ends(cells, states, accept_versions, tell)
    results = results_of([(cell.variant.label, cell.folder) for cell in cells])
    if interrupted:
        return Comparison(folder, results, *given, interrupted)
    return write_report(Comparison(folder, countable(results), *given))


def report(
    runs: Sequence[str | Path] | str | Path,
    *,
    out: str | Path | None = None,
    runs_dir: str | Path = "runs",
    thresholds: Mapping[str, float] | float | None = None,
    references: Mapping[str, tuple[float, float]] | None = None,
) -> Comparison:
    """The report of any runs there are: also of unequal seeds, budgets and environments.

    Args:
        runs: folders of runs, or of comparisons, or their names in `runs_dir`; `"LABEL=RUN"` gives a run its name.
        out: where to; by default a comparison's own folder if it is the only one named, else `report`.

    Raises:
        ConfigError: for a folder that is no run, or where not one run can be counted.
    """
    results, home = read_results([runs] if isinstance(runs, str | Path) else list(runs), Path(runs_dir))
    given = _as_mapping(thresholds), dict(references or {})
    check_readings((result.env for result in (*results.finished, *results.unfinished)), *given)
    path = Path(out) if out is not None else home or Path("report")
    return write_report(Comparison(path, results, *given))


def _bring_all_to_their_ends(
    cells: list[Cell], states: list[str], accept_versions: bool, tell: Callable[[str], None]
) -> bool:
    """Whether a signal came before the last of them was trained."""
    stop = threading.Event()
    with stop_on_signals(stop):
        for i, (cell, state) in enumerate(zip(cells, states, strict=True)):
            what = f"[{i + 1}/{len(cells)}] {cell.name}"
            if stop.is_set() or _bring_to_its_end(cell, state, what, accept_versions, tell):
                return True
    return False


def _bring_to_its_end(cell: Cell, state: str, what: str, accept_versions: bool, tell: Callable[[str], None]) -> bool:
    """Train a cell, or what is left of it; whether that was interrupted."""
    experiment = cell.experiment
    if state == "finished":
        tell(f"{what}: finished already")
        return False
    doing = "going on with" if state == "unfinished" else "training"
    tell(f"{what}: {doing} {experiment.seeds} seed(s), {experiment.env_steps:,} env steps each")
    console = Console(experiment.env_steps, experiment.seeds, experiment.convergence.target)
    watch = {"callbacks": [console.tell] if sys.stdout.isatty() else []}
    if state == "unfinished":
        run = api.resume(cell.folder, env=cell.env, accept_versions=accept_versions, **watch)
    else:
        run = api.train(**cell.call, name=cell.folder.name, runs_dir=cell.folder.parent, check=False, **watch)
    if watch["callbacks"]:
        console.close()
    tell(f"{what}: {_outcome(run.summary)}")
    return run.summary["stopped_by"] == "interrupted"


def _outcome(summary: dict[str, Any]) -> str:
    score = summary["eval_return"]
    iqm = "not finite" if score["iqm"] is None else f"{score['iqm']:.1f}"
    interval = f" [{score['ci95'][0]:.1f}, {score['ci95'][1]:.1f}]" if score["ci95"] else ""
    clock = f"compiled in {summary['compile_seconds']:.1f} s, trained in {summary['train_seconds']:.1f} s"
    halted = f"interrupted after {summary['env_steps']:,} env steps, " if summary["stopped_by"] == "interrupted" else ""
    return f"{halted}return (IQM) {iqm}{interval}; {clock}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Only warnings reach the terminal: ten runs' plans would bury them. Each run's log has all of it.

    Where somebody listens already, that is left alone.
    """
    if log.handlers or logging.getLogger().handlers:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    log.addHandler(handler)
    log.propagate = False  # to what libraries hang on the root logger while they are imported
    try:
        yield
    finally:
        log.propagate = True
        log.removeHandler(handler)


def _folder(runs_dir: Path, name: str | None) -> Path:
    name = f"comparison-{datetime.now():%Y%m%d-%H%M%S}" if name is None else name
    if not re.fullmatch(r"[\w+-][\w .+-]*", name):
        raise ConfigError(f"--name {name!r} is no folder's name; use letters, digits, '-', '_' and '.'.")
    if (runs_dir / name / "config.yaml").exists():
        raise ConfigError(f"--name {name!r} is the name of a run in {runs_dir}; choose another.")
    return runs_dir / name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"{os.strerror(error.errno or 0)}; choose another with --runs-dir."
        raise ConfigError(f"runs folder {folder.parent} cannot be written: {reason}") from error


def _as_list(envs: Any) -> list:
    return list(envs) if isinstance(envs, list | tuple) else [] if envs is None else [envs]


def _as_mapping(thresholds: Mapping[str, float] | float | None) -> dict[str, float]:
    if thresholds is None:
        return {}
    return dict(thresholds) if isinstance(thresholds, Mapping) else {"": float(thresholds)}
