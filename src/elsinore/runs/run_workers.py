"""The background workers of a session: store, listeners, sinks and replays."""

import contextlib
import logging
import sqlite3
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from elsinore.config.plan import Plan
from elsinore.errors import quoted
from elsinore.runs.actions import ActingCallback, watching
from elsinore.runs.budgets import Spent
from elsinore.runs.curves.run_curves import LiveCurves
from elsinore.runs.members import seeds_of_best
from elsinore.runs.records import ChunkRecord
from elsinore.runs.replays.worker import ReplayWorker
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import Stop
from elsinore.runs.sinks.console import Console, ProgressLog, is_terminal
from elsinore.runs.sinks.dashboard import Dashboard
from elsinore.runs.sinks.notebook import NotebookProgress, in_notebook
from elsinore.runs.sinks.remote import RemoteSink
from elsinore.runs.sinks.sync import record_done, sinks_of
from elsinore.runs.store.store import Store
from elsinore.runs.workers import BackgroundWorker, finish_all, sink_worker

log = logging.getLogger("elsinore")
CURVES = "curves"
LINES_LOST = "its newest lines are missing, and no numbers"
CURVES_LOST = "training_curves.png may be of an earlier update; in Python, run.plot() draws it anew"
Callback = Callable[[ChunkRecord], Any] | ActingCallback
# Records that wait for the store, log, terminal or a callback hold at most a million rows, some
# 200 MB.
IN_MEMORY: dict[str, Any] = {"capacity": 1_000_000, "weight": lambda record: 1 + len(record.rows)}


class RunWorkers(NamedTuple):
    """The background workers of a session; all but `replays` get each chunk's record."""

    store: BackgroundWorker
    listeners: list[BackgroundWorker]  # callbacks, log and terminal
    sinks: list[BackgroundWorker]  # read the store
    replays: ReplayWorker

    def finish_replays(self, stop: Stop) -> None:
        """Let the recording of an episode end; a later call does nothing."""
        self.replays.close(min(10.0, stop.seconds_left / 4))

    def finish_curves(self, stop: Stop) -> None:
        """End the live curves, which would be drawn over those of the run's end."""
        curves = [worker for worker in self.listeners if worker.name == CURVES]
        finish_all(curves, min(10.0, stop.seconds_left / 4))

    def finish(self, folder: RunDir, stop: Stop) -> None:
        """Let the workers handle what is left, the sinks last, since they read the store. Where the
        folder is gone, sinks are left as they are: they would read and write another run's."""
        try:
            self.finish_replays(stop)
            finish_all(self.listeners, min(30.0, stop.seconds_left / 4))
            self.store.finish(max(min(30.0, stop.seconds_left), 1.0))
            if folder.is_gone():
                return
            copies = [sink for sink in self.sinks if sink.name == RemoteSink.name]
            writers = [sink for sink in self.sinks if sink not in copies]
            for sinks in (writers, copies):  # a copy has all that the others write
                for sink in sinks:
                    sink.put(None)
                left = stop.seconds_left / (2 if sinks is writers and copies else 1)
                finish_all(sinks, min(90.0, left))
            # the last writer folds the write-ahead log into the database
            done = [sink.name for sink in self.sinks if sink.is_done]
            record_done(folder.database, done)
            if left := [sink.name for sink in self.sinks if sink.name not in done]:
                command = f"elsinore sync {quoted(folder.path)}"
                log.info("`%s` completes %s", command, ", ".join(left))
        except sqlite3.Error as error:
            log.warning("metrics.sqlite could not be closed: %s", error)

    @property
    def left_behind(self) -> list[BackgroundWorker]:
        """Those that still write to the run's folder, or read it, though they are to finish."""
        return [worker for worker in (self.store, *self.sinks) if worker.is_left_behind]


def start_workers(
    folder: RunDir, plan: Plan, run_id: str, callbacks: Sequence[Callback]
) -> RunWorkers:
    """Start the workers of a run whose store is open."""
    database, opened = folder.database, []
    store = BackgroundWorker(
        "metrics.sqlite",
        lambda record: opened[0].write(record),
        open=lambda: opened.append(Store(database)),
        close=lambda: opened[0].close(),
        **IN_MEMORY,
    )
    listeners = [
        BackgroundWorker(
            f"callback {getattr(f, '__name__', f)!s}",
            watching(f),
            retry=False,
            loss="it is not called with the newest chunks",
            **IN_MEMORY,
        )
        for f in callbacks
        if not isinstance(f, ActingCallback)
    ]
    sinks = sinks_of(folder, plan.experiment, run_id, plan.steps_per_update)
    return RunWorkers(
        store,
        listeners + _progress(folder, plan),
        [sink_worker(sink) for sink in sinks],
        ReplayWorker(folder, plan),
    )


def _console(dashboard: bool) -> type[Console]:
    """The form of the progress line that fits the place in which it is read."""
    if in_notebook():
        return NotebookProgress
    return Dashboard if dashboard and is_terminal(sys.stdout) else Console


def _progress(folder: RunDir, plan: Plan) -> list[BackgroundWorker]:
    """Workers that write progress to the log and the terminal."""
    experiment = plan.experiment
    with contextlib.closing(Store(folder.database, read_only=True)) as store:
        spent, evaluations = Spent(store), store.evaluations()
    of = (plan.env_steps, experiment.replicas)
    what: dict[str, Any] = {"stop": experiment.stop, "spent": spent, "evaluations": evaluations}
    if experiment.vary:
        members, mode = experiment.members, experiment.population.mode
        best = partial(seeds_of_best, seeds=experiment.replica_seeds, members=members, mode=mode)
        what |= {"what": "replicas", "seeds_of_best": best}
    progress = ProgressLog(*of, **what)
    of_lines: dict[str, Any] = {"retry": False, "loss": LINES_LOST} | IN_MEMORY
    workers = [BackgroundWorker("train.log", progress.write, **of_lines)]
    if (seconds := experiment.sinks.curves_seconds) > 0:
        curves = LiveCurves(folder, plan, seconds)
        of_curves: dict[str, Any] = {"retry": False, "loss": CURVES_LOST, "capacity": 1}
        workers.append(BackgroundWorker(CURVES, curves.write, **of_curves))
    if experiment.sinks.console:
        console_type = _console(experiment.sinks.dashboard)
        shows = {"replays": folder.replays} if console_type is Dashboard else {}
        console = console_type(*of, **what, **shows)
        workers.append(BackgroundWorker("console", console.write, close=console.close, **of_lines))
    return workers
