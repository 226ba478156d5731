"""The part of a task that a worker of the cluster does."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from elsinore.analysis.cluster_task import Task, wait_until_free
from elsinore.config.load import whole_experiment
from elsinore.config.parse import build
from elsinore.config.search import Sweep, SweepConfig, SweepTrial, TrialGroup
from elsinore.errors import ConfigError
from elsinore.runs import api, preparation
from elsinore.runs.records import ChunkRecord
from elsinore.runs.run_lock import RunInUse

Report = Callable[[ChunkRecord], None]
FUNCTIONS: dict[str, Callable[..., Any]] = {}
REPORT_SECONDS = 1.0  # between two reports of a run


def do(task: tuple, board: Any) -> Any:
    """The result of a task; None if a signal stopped it, or if a lost worker still trains its
    run."""
    todo = Task(*task)
    host, last = f"{socket.gethostname()} ({os.getpid()})", 0.0

    def report(record: ChunkRecord) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_SECONDS:
            last = time.monotonic()
            board.put.remote(todo.name, host, record.env_steps)

    board.put.remote(todo.name, host, 0)
    try:
        return FUNCTIONS[todo.function](report, *todo.args)
    except (KeyboardInterrupt, RunInUse):  # before the run's own handler, or out of time
        return None


def train_cell(
    report: Report, folder: str, config: dict[str, Any], accept: dict[str, bool]
) -> dict[str, Any] | None:
    """Begin, resume or read one cell of a comparison: its summary; None if it was stopped."""
    path = _shared(Path(folder))
    wait_until_free(path)
    if not (path / "config.yaml").exists():
        run = api.train(
            config=whole_experiment(config),
            name=path.name,
            runs_dir=path.parent,
            check=False,
            callbacks=[report],
        )
    else:
        run = api.resume(path, trust=True, fall_back=True, callbacks=[report], **accept)
    return None if run.summary["stopped_by"] == "interrupted" else run.summary


def train_trials(
    report: Report,
    folder: str,
    config: dict[str, Any],
    trials: list,
    members: list,
    sweep: dict,
    accept: dict[str, bool],
) -> list | None:
    """Begin, resume or read the run of a group of trials: their results; None if it was
    stopped."""
    from elsinore.analysis.sweep.groups import Interrupted, train_group
    from elsinore.analysis.sweep.results import group_results

    path = _shared(Path(folder))
    wait_until_free(path)
    preparation.prepare()
    experiment = whole_experiment(config)
    group = TrialGroup(experiment, tuple(SweepTrial(*t) for t in trials), tuple(members))
    try:
        run = train_group(path, group, _programs(), [report], accept)
    except Interrupted:
        return None
    searched = Sweep(experiment, build(SweepConfig, sweep, "sweep"), {})
    return group_results(searched, group, run, path.name)


def do_nothing(report: Report, result: Any) -> Any:
    """The result that it is given, to measure what a task costs."""
    return result


FUNCTIONS |= {f.__name__: f for f in (train_cell, train_trials, do_nothing)}
_PROGRAMS: list = []  # of this worker's groups


def _programs() -> Any:
    from elsinore.analysis.sweep.programs import ProgramCache

    if not _PROGRAMS:
        _PROGRAMS.append(ProgramCache())
    return _PROGRAMS[0]


def _shared(path: Path) -> Path:
    """The folder of a run, if this machine sees the folder around it, which the driver has made.

    Raises:
        ConfigError: if it does not.
    """
    if not path.parent.is_dir():
        raise ConfigError(
            f"{path.parent} is not there on {socket.gethostname()}: the machines of a cluster need"
            " one runs folder, on a file system that all of them see (--runs-dir;"
            " in Python, runs_dir)."
        )
    return path
