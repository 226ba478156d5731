"""Training a comparison's runs one after another, in this process, and the lines about its end."""

import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from elsinore.analysis.compare.caveats import budget_text
from elsinore.analysis.compare.document import format_estimate
from elsinore.analysis.compare.grid import GridCell
from elsinore.errors import ElsinoreError, counted, one_line
from elsinore.runs import api
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import BEFORE_THE_NEXT, NotBegun, Stop, stop_on_signals
from elsinore.runs.sinks.console import Console, is_terminal
from elsinore.runs.sinks.sync import finish_sinks
from elsinore.runs.statistics import Estimate
from elsinore.runs.store.store import BrokenStore, StoreBehind


@dataclass
class Trained:
    """The end of a comparison's training."""

    failed: dict[str, Exception] = field(default_factory=dict)  # by `env, label`
    interrupted: bool = False  # by a signal

    def fail(
        self, name: str, prefix: str, error: Exception, progress: Callable[[str], None]
    ) -> None:
        """Note that a run failed, in a line."""
        self.failed[name] = error
        progress(f"{prefix}: failed: {text_of_error(error)}")


def text_of_error(error: Exception) -> str:
    """One line: the message of an error of elsinore, and with its type that of any other."""
    text = one_line(error, 1000)
    return text if isinstance(error, ElsinoreError) else f"{type(error).__name__}: {text}"


def train_here(
    cells: list[GridCell],
    states: list[str],
    accept: Mapping[str, bool],
    progress: Callable[[str], None],
) -> Trained:
    """Train or resume each cell in turn; after one that fails come the others.

    Raises:
        StoreBehind, BrokenStore: for a disk that refuses a run's store.
    """
    trained, stop = Trained(), Stop()
    stop.ends = BEFORE_THE_NEXT
    with stop_on_signals(stop):
        for i, (cell, state) in enumerate(zip(cells, states, strict=True)):
            prefix = f"[{i + 1}/{len(cells)}] {cell.name}"
            try:
                if stop.is_set() or _train(cell, state, prefix, accept, progress):
                    trained.interrupted = True
            except NotBegun:
                trained.interrupted = True
            except (StoreBehind, BrokenStore):  # of the disk, not of the run
                raise
            except Exception as error:
                trained.fail(cell.name, prefix, error, progress)
            if trained.interrupted:
                break
    return trained


def _train(
    cell: GridCell,
    state: str,
    prefix: str,
    accept: Mapping[str, bool],
    progress: Callable[[str], None],
) -> bool:
    """Train or resume one cell; returns whether a signal interrupted it."""
    experiment = cell.experiment
    if state == "finished":
        progress(f"{prefix}: finished already")
        finish_sinks(RunDir(cell.folder), only_recorded=True, trust=True)
        return False
    verb = "resuming" if state == "unfinished" else "training"
    budget = budget_text(experiment).removesuffix(" a seed")
    progress(f"{prefix}: {verb} {counted(experiment.seeds, 'seed')}, {budget} each")
    with closing(Console(cell.env_steps, experiment.seeds, stop=experiment.stop)) as console:
        watch = {"callbacks": [console.write] if is_terminal(sys.stdout) else []}
        if state == "unfinished":
            # its settings are those of the command: so is the code that they name
            known = {"env": cell.env, "trust": True, "fall_back": True}
            run = api.resume(cell.folder, **known, **accept, **watch)
        else:
            call = cell.call | {"name": cell.folder.name, "runs_dir": cell.folder.parent}
            run = api.train(**call, check=False, **watch)
    progress(f"{prefix}: {summary_line(run.summary)}")
    return run.summary["stopped_by"] == "interrupted"


def summary_line(summary: dict[str, Any]) -> str:
    score = summary["eval_return"]
    found = Estimate(score["iqm"], score["ci95"])
    iqm = "not finite" if score["iqm"] is None else format_estimate(found)
    clock = (
        f"compiled in {summary['compile_seconds']:.1f} s, trained in"
        f" {summary['train_seconds']:.1f} s"
    )
    halted = (
        f"interrupted after {summary['env_steps']:,} env steps, "
        if summary["stopped_by"] == "interrupted"
        else ""
    )
    return f"{halted}return (IQM) {iqm}; {clock}"
