"""`elsinore.sweep`: hyperparameter search, round after round of trials."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from elsinore.analysis.cluster import Cluster, OnCluster
from elsinore.analysis.cluster_task import Task
from elsinore.analysis.sweep.groups import Interrupted, train_group
from elsinore.analysis.sweep.mlflow import log_to_mlflow
from elsinore.analysis.sweep.programs import ProgramCache
from elsinore.analysis.sweep.report import write_sweep_report, write_trials
from elsinore.analysis.sweep.results import TrialResult, failed_trial, group_results
from elsinore.analysis.sweep.samplers import Sampler, sampler_for
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.arguments import checked
from elsinore.config.load_sweep import load_sweep
from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan, plan_for
from elsinore.config.search import Sweep, SweepTrial, TrialGroup, trial_groups
from elsinore.errors import ConfigError, counted, printable, quoted, shown
from elsinore.runs.call import as_override
from elsinore.runs.files.natural import natural
from elsinore.runs.lineage.continuation import with_source
from elsinore.runs.lineage.start import check_start
from elsinore.runs.members import from_writable
from elsinore.runs.preparation import checked_plan, prepare
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import logging_to
from elsinore.runs.signals import BEFORE_THE_NEXT, Stop, stop_on_signals
from elsinore.runs.summary import object_in
from elsinore.runs.trust.trust import Trust

log = logging.getLogger("elsinore")


class SweepRun:
    """A sweep on disk: summary, best settings, trials and runs."""

    def __init__(
        self,
        folder: SweepDir,
        results: list[TrialResult] | None = None,
        interrupted: bool = False,
    ):
        self.path, self.results, self.interrupted = folder.path, results or [], interrupted
        self._folder = folder

    def __repr__(self) -> str:
        found = self.summary.get("trials", "unfinished")
        return printable(f"SweepRun({shown(self.path)!r}, trials: {found})")

    @property
    def sweep(self) -> Sweep:
        return self._folder.sweep(trust=True)  # it has been trained

    @property
    def summary(self) -> dict[str, Any]:
        """`summary.json`; empty while the sweep is unfinished.

        Raises:
            ConfigError: if it is no JSON object.
        """
        path = self._folder.summary
        if not path.exists():
            return {}
        if not (found := object_in(path)):
            raise ConfigError(
                f"{path} is not a summary (a JSON object); remove it, and make it again with"
                f" `elsinore sweep --resume {quoted(self.path)}`."
            )
        return found

    @property
    def best(self) -> dict[str, Any] | None:
        """Settings of the best trial; None if no trial is complete."""
        best = self.summary.get("best")
        return from_writable(best["settings"]) if best else None

    @property
    def best_run(self) -> Run | None:
        """The run that trained the best trial; None if no trial is complete. Others may be in it:
        `best_run.policy(best_seed, checkpoint="latest")` is the policy whose score was the best."""
        best = self.summary.get("best")
        return Run(RunDir(self._folder.groups / best["group"])) if best else None

    @property
    def best_seed(self) -> int | None:
        """The seed of `best_run`, numbered as its replicas are, that did best in the best trial;
        None if no trial is complete."""
        return (self.summary.get("best") or {}).get("best_seed")

    @property
    def trials(self):
        """Pandas table of every trial with its settings and score; `per_seed` is a list.

        Raises:
            ConfigError: if no group of trials has ended yet.
        """
        import pandas as pd

        if not self._folder.trials.exists():
            raise ConfigError(f"{shown(self.path)} has no trials yet; wait for its first group.")
        read = {"per_seed": json.loads}
        return pd.read_csv(self._folder.trials, dtype={"group": str}, converters=read)

    @property
    def runs(self) -> list[Run]:
        """The runs that trained the trials, one per group; hidden folders are unfinished."""
        return [
            Run(RunDir(path.parent))
            for path in sorted(self._folder.groups.glob("[!.]*/config.yaml"), key=natural)
        ]


@partial(checked, advice=as_override)
def sweep(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    resume: str | Path | None = None,
    trust: Trust = False,
    accept_versions: bool = False,
    accept_layout: bool = False,
    on: str | None = None,
    cpus_per_task: int | None = None,
    gpus_per_task: float | None = None,
    progress: Callable[[str], None] = print,
) -> SweepRun:
    """Search for good settings; an existing sweep of the same name is resumed.

    Args:
        config: a YAML file or a mapping: settings of an experiment, and a section `sweep`
            (`docs/sweep.md`).
        overrides: dotted settings with the highest precedence: `{"sweep.trials": 8}`.
        name: of the folder in `runs_dir`; default: made from the time.
        resume: folder or name of an existing sweep, instead of a config.
        trust: import code that the sweep to resume names, though this user did not make it.
        accept_versions, accept_layout: as in `elsinore.resume`, for groups that are not finished.
        on: `"ray"` or `"ray://HOST:PORT"` trains groups as tasks of a Ray cluster, with the same
            results (`docs/how-to/clusters.md`); by default they are trained here, one by one.
        cpus_per_task: CPU cores of a task; by default equal shares, at most one for each replica.
        gpus_per_task: GPUs of a task, also a fraction; by default one where the cluster has any.
        progress: called with one line when a task begins, and now and then with how far they are.

    Raises:
        ConfigError: for an invalid sweep, before anything is compiled or written; or for a cluster
            that cannot be reached.
        RunError: for a task whose workers were lost too often; the sweep can be resumed.
    """
    cluster = None if on is None else OnCluster(on, cpus_per_task, gpus_per_task)
    accept = {"accept_versions": accept_versions, "accept_layout": accept_layout}
    if resume is not None and (config is not None or overrides or name):
        raise ConfigError(
            "--resume (in Python, resume) continues a sweep unchanged; leave out the config,"
            " settings and name."
        )
    if cluster:
        cluster.start_devices()
    prepare()
    folder, found, rounds = _opened(config, overrides, name, Path(runs_dir), resume, trust)
    try:
        joining = cluster.joined() if cluster else nullcontext()
        with logging_to(folder.log), joining as joined:
            trainer = _together(joined, accept, progress) if joined else _one_by_one(accept)
            return _search(folder, found, rounds, trainer)
    except KeyboardInterrupt:  # a second signal; the first ends a sweep after its chunk
        log.error("resume with: elsinore sweep --resume %s", quoted(folder.path))
        raise
    finally:
        folder.unlock()


def _opened(
    config: Any,
    overrides: Any,
    name: str | None,
    runs_dir: Path,
    resume: str | Path | None,
    trust: Trust,
) -> tuple[SweepDir, Sweep, "Rounds"]:
    """The locked directory of a new or resumed sweep, with its first round planned."""
    if resume is not None:
        folder = SweepDir.open(resume, runs_dir)
        sweep = folder.sweep(trust)
        rounds = _planned(sweep)
        folder.lock()
        return folder, sweep, rounds
    if config is None:
        raise ConfigError(
            "a sweep needs a config, or --resume (in Python, resume) with the name of a sweep."
        )
    sweep = load_sweep(config, overrides)
    # all groups begin from one checkpoint, also where the other run trains on
    begun = [x for x in (runs_dir / str(name) / "sweep.yaml",) if x.is_file()]
    sweep = replace(sweep, experiment=with_source(sweep.experiment, runs_dir, begun=begun))
    rounds = _planned(sweep) if begun else _planned(sweep, check_start)
    return SweepDir.of(runs_dir, name, sweep), sweep, rounds


def _planned(sweep: Sweep, check: Callable[[Plan], None] = lambda plan: None) -> "Rounds":
    """The rounds of a sweep, after a check that the first round can run and fits in memory."""
    rounds = Rounds(sweep, sampler_for(sweep))
    for group in rounds.peek()[1]:
        check(checked_plan(group.experiment, None, None, None, check=False))
    return rounds


class Rounds:
    """Rounds of at most `batch` trials from the sampler, split into groups."""

    def __init__(self, sweep: Sweep, sampler: Sampler):
        self._sweep, self._sampler = sweep, sampler
        self._peeked: tuple[list[SweepTrial], list[TrialGroup]] | None = None

    def peek(self) -> tuple[list[SweepTrial], list[TrialGroup]]:
        """The round that `next` will return."""
        self._peeked = self._peeked or self._ask()
        return self._peeked

    def next(self) -> tuple[list[SweepTrial], list[TrialGroup]]:
        """The next round; no trials at the end."""
        round_, self._peeked = self.peek(), None
        return round_

    def tell(self, results: list[TrialResult]) -> None:
        self._sampler.tell(results)

    def _ask(self) -> tuple[list[SweepTrial], list[TrialGroup]]:
        trials = self._sampler.ask(self._sweep.batch)
        return trials, trial_groups(
            self._sweep, [trial for trial in trials if self._can_run(trial)]
        )

    def _can_run(self, trial: SweepTrial) -> bool:
        try:
            self._sweep.experiment_of(trial.settings)
        except ConfigError as error:  # settings that are valid alone, but not together
            log.warning("trial %d cannot be run: %s", trial.number, error)
            return False
        return True


# (folder, sweep, groups by name, stop) -> the results of each group as it ends
GroupTrainer = Callable[
    [SweepDir, Sweep, Mapping[str, TrialGroup], Stop], Iterator[list[TrialResult]]
]


def _search(folder: SweepDir, sweep: Sweep, rounds: Rounds, train: GroupTrainer) -> SweepRun:
    results: dict[int, TrialResult] = {}
    if not _train(folder, sweep, rounds, train, results):
        return SweepRun(folder, list(results.values()), interrupted=True)
    found = [results[number] for number in sorted(results)]
    write_trials(folder, found)
    summary = write_sweep_report(folder, sweep, found)
    with suppress(KeyboardInterrupt):  # only MLflow is missing by now
        log_to_mlflow(folder, sweep, found, summary)
    return SweepRun(folder, found)


def _train(
    folder: SweepDir,
    sweep: Sweep,
    rounds: Rounds,
    train: GroupTrainer,
    results: dict[int, TrialResult],
) -> bool:
    """Train round after round, adding to `results`; returns False if interrupted."""
    count, stop = 0, Stop()
    with stop_on_signals(stop):
        while (round_ := rounds.next())[0]:
            trials, groups = round_
            named = {f"{count + i:03d}": group for i, group in enumerate(groups)}
            count += len(groups)
            ended = 0
            for found in train(folder, sweep, named, stop):
                results |= {r.trial: r for r in found}
                write_trials(folder, list(results.values()))
                ended += 1
            if ended < len(named):
                return False
            for trial in trials:
                # a trial that cannot be run is in no group
                results.setdefault(trial.number, failed_trial(trial, ""))
            rounds.tell([results[trial.number] for trial in trials])
    return True


def _one_by_one(accept: Mapping[str, bool]) -> GroupTrainer:
    """Trains groups here, one after another."""
    programs = ProgramCache()

    def train(
        folder: SweepDir, sweep: Sweep, groups: Mapping[str, TrialGroup], stop: Stop
    ) -> Iterator[list[TrialResult]]:
        stop.ends = BEFORE_THE_NEXT
        for name, group in groups.items():
            if stop.is_set():  # a signal at the end of the previous group
                return
            log.info("group %s: trials %s", name, ", ".join(str(t.number) for t in group.trials))
            try:
                run = train_group(folder.groups / name, group, programs, (), accept)
            except Interrupted:
                return
            yield group_results(sweep, group, run, name)

    return train


def _together(
    cluster: Cluster, accept: Mapping[str, bool], progress: Callable[[str], None]
) -> GroupTrainer:
    """Trains groups side by side, on a cluster."""

    def train(
        folder: SweepDir, sweep: Sweep, groups: Mapping[str, TrialGroup], stop: Stop
    ) -> Iterator[list[TrialResult]]:
        tasks = [
            _task(folder.groups / name, sweep, group, accept) for name, group in groups.items()
        ]
        resume_with = f"`elsinore sweep --resume {quoted(folder.path)}` (in Python, resume)"
        done = cluster.each(tasks, stop, progress, resume_with=resume_with)
        for number, (task, found) in enumerate(done, 1):
            trials = counted(len(found), "trial")
            log.info("[%d/%d] %s: %s done", number, len(tasks), task.name, trials)
            yield found

    return train


def _task(path: Path, sweep: Sweep, group: TrialGroup, accept: Mapping[str, bool]) -> Task:
    experiment = group.experiment
    trials, members = [tuple(trial) for trial in group.trials], list(group.members)
    data = as_dict(experiment), trials, members, as_dict(sweep.config), dict(accept)
    args = str(path.absolute()), *data
    env_steps = plan_for(experiment).env_steps  # the most that a budget in episodes takes
    return Task(f"group {path.name}", "train_trials", args, env_steps, experiment.replicas)
