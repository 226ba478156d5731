"""`elsinore.sweep`: search, and return what was found."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from elsinore.config.build import ConfigError
from elsinore.config.load import read_yaml
from elsinore.config.sweep import Group, Sweep, Trial, grouped, load_sweep
from elsinore.host.api import prepare, ready_plan
from elsinore.host.folder import RunFolder
from elsinore.host.result import Run
from elsinore.host.session import logging_to
from elsinore.host.signals import stop_on_signals
from elsinore.host.sweep.folder import SweepFolder
from elsinore.host.sweep.groups import Interrupted, train_group
from elsinore.host.sweep.mlflow import tell_mlflow
from elsinore.host.sweep.programs import Programs
from elsinore.host.sweep.report import write_report, write_trials
from elsinore.host.sweep.results import Result, failed, results_of
from elsinore.host.sweep.samplers import Sampler, sampler_for

log = logging.getLogger("elsinore")


class SweepRun:
    """A search's folder, to be asked questions."""

    def __init__(self, folder: SweepFolder, results: list[Result] | None = None, interrupted: bool = False):
        self.path, self.results, self.interrupted = folder.path, results or [], interrupted
        self._folder = folder

    def __repr__(self) -> str:
        found = self.summary.get("trials", "unfinished")
        return f"SweepRun({str(self.path)!r}, trials: {found})"

    @property
    def sweep(self) -> Sweep:
        return self._folder.sweep()

    @property
    def summary(self) -> dict[str, Any]:
        """What came of it (`summary.json`); empty while it is unfinished."""
        return json.loads(self._folder.summary.read_text()) if self._folder.summary.exists() else {}

    @property
    def best(self) -> dict[str, Any] | None:
        """The best trial's settings; None where no trial came to an end."""
        best = self.summary.get("best")
        return best["settings"] if best else None

    @property
    def trials(self):
        """Every trial with its settings and score, as a pandas table."""
        import pandas as pd

        return pd.read_csv(self._folder.trials, dtype={"group": str})

    @property
    def runs(self) -> list[Run]:
        """The runs that trained the trials, one a group."""
        return [Run(RunFolder(path.parent)) for path in sorted(self._folder.groups.glob("*/config.yaml"))]


def sweep(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    resume: str | Path | None = None,
) -> SweepRun:
    """Search for good settings; under the name of a search that was begun, go on with it.

    Args:
        config: a YAML file or a mapping: an experiment's settings, and a section `sweep` (`docs/sweep.md`).
        overrides: dotted settings and values, the last word: `{"sweep.trials": 8}`.
        name: of the folder in `runs_dir`; a fresh one is made.
        resume: a search's folder or name, instead of a config.

    Raises:
        ConfigError: for whatever cannot be searched, before anything is compiled or written.
    """
    runs_dir = Path(runs_dir)
    if resume is not None and (config is not None or overrides or name):
        raise ConfigError("--resume goes on with a sweep as it is; no config, setting or name can be given with it.")
    prepare()
    if resume is not None:
        folder = SweepFolder.open(resume, runs_dir)
        found = folder.sweep()
        rounds = _planned(found)
        folder.lock()
    elif config is not None:
        found = load_sweep(config if isinstance(config, Mapping) else read_yaml(Path(config)), overrides)
        rounds = _planned(found)
        folder = SweepFolder.of(runs_dir, name, found)
    else:
        raise ConfigError("a sweep needs a config, or --resume with the name of one that was begun.")
    try:
        with logging_to(folder):
            return _search(folder, found, rounds)
    finally:
        folder.unlock()


def _planned(sweep: Sweep) -> "Rounds":
    """The search's rounds, the first of them planned: what cannot be run or does not fit is refused now."""
    rounds = Rounds(sweep, sampler_for(sweep))
    for group in rounds.peek()[1]:
        ready_plan(group.experiment, None, None, None, check=False)
    return rounds


class Rounds:
    """Trials as they are asked for, `batch` at a time, as groups; the sampler is told of each round before the next."""

    def __init__(self, sweep: Sweep, sampler: Sampler):
        self._sweep, self._sampler = sweep, sampler
        self._peeked: tuple[list[Trial], list[Group]] | None = None

    def peek(self) -> tuple[list[Trial], list[Group]]:
        """What `next` will give."""
        self._peeked = self._peeked or self._ask()
        return self._peeked

    def next(self) -> tuple[list[Trial], list[Group]]:
        """The next round, or no trials when there are no more."""
        round_, self._peeked = self.peek(), None
        return round_

    def tell(self, results: list[Result]) -> None:
        self._sampler.tell(results)

    def _ask(self) -> tuple[list[Trial], list[Group]]:
        trials = self._sampler.ask(self._sweep.batch)
        return trials, grouped(self._sweep, [trial for trial in trials if self._can_run(trial)])

    def _can_run(self, trial: Trial) -> bool:
        try:
            self._sweep.experiment_of(trial.settings)
        except ConfigError as error:  # settings that are sound one by one, and not together
            log.warning("trial %d cannot be run: %s", trial.number, error)
            return False
        return True


def _search(folder: SweepFolder, sweep: Sweep, rounds: Rounds) -> SweepRun:
    began = time.perf_counter()
    results: dict[int, Result] = {}
    if not _train(folder, sweep, rounds, results):
        return SweepRun(folder, list(results.values()), interrupted=True)
    found = [results[number] for number in sorted(results)]
    write_trials(folder, found)
    summary = write_report(folder, sweep, found, time.perf_counter() - began)
    with suppress(KeyboardInterrupt):  # everything is written but to MLflow
        tell_mlflow(folder, sweep, found, summary)
    return SweepRun(folder, found)


def _train(folder: SweepFolder, sweep: Sweep, rounds: Rounds, results: dict[int, Result]) -> bool:
    """Train round after round, adding to `results`; whether it came to the last."""
    programs, count, stop = Programs(), 0, threading.Event()
    with stop_on_signals(stop):
        while (round_ := rounds.next())[0]:
            trials, groups = round_
            for group in groups:
                if stop.is_set():  # it came as the group before was ending
                    return False
                name, count = f"{count:03d}", count + 1
                log.info("group %s: trials %s", name, ", ".join(str(t.number) for t in group.trials))
                try:
                    run = train_group(folder.groups / name, group, programs)
                except Interrupted:
                    return False
                results |= {r.trial: r for r in results_of(sweep, group, run, name)}
                write_trials(folder, list(results.values()))
            for trial in trials:
                results.setdefault(trial.number, failed(trial, ""))  # of none of the groups: it could not be run
            rounds.tell([results[trial.number] for trial in trials])
    return True
