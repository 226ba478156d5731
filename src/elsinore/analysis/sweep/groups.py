"""Training of one group of trials as an ordinary run: started, resumed or already finished."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from elsinore.config.search import TrialGroup
from elsinore.errors import ConfigError, on_error, one_line
from elsinore.runs.checkpoints.choice import matching
from elsinore.runs.checkpoints.directory import BrokenCheckpoint, Checkpoint
from elsinore.runs.checkpoints.manifest import other_settings
from elsinore.runs.checkpoints.match import NotAccepted, agree_on_layout
from elsinore.runs.checkpoints.restored import check_state
from elsinore.runs.failures import is_of_machine
from elsinore.runs.lineage.start import check_start
from elsinore.runs.preparation import checked_plan
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import logging_to
from elsinore.runs.run_workers import Callback
from elsinore.runs.session import run_session
from elsinore.runs.signals import NotBegun
from elsinore.runs.sinks.sync import finish_sinks
from elsinore.runs.store.store import BrokenStore, StoreBehind
from elsinore.runs.summary import is_finished, write_json

log = logging.getLogger("elsinore")
NOT_OF_THE_TRIALS = StoreBehind, BrokenStore, BrokenCheckpoint, NotAccepted


class Interrupted(Exception):
    """A signal stopped a group before it trained, or after it saved a checkpoint."""


def train_group(
    folder: Path,
    group: TrialGroup,
    programs: Callable,
    callbacks: Sequence[Callback] = (),
    accept: Mapping[str, bool] = MappingProxyType({}),
) -> Run | None:
    """Train the group to its end; returns None if it fails now or failed before. `accept` is what
    its checkpoint may differ in (`accept_versions`, `accept_layout`).

    Raises:
        Interrupted: if a signal stopped it.
        ConfigError: if the folder holds the run of another group, its store cannot be used, or the
            run is gone that it would begin from.
        StoreBehind: if its store could not be written; the sweep can be resumed.
        RunError, OSError: where the disk is full or fails, or too many files are open, likewise.
    """
    run = Run(RunDir(folder))
    if (folder / "config.yaml").exists():
        _check_same(run, group)
    if (folder / "failed.json").exists():
        return None
    if is_finished(RunDir(folder)):  # it may have been killed before its sinks closed
        finish_sinks(RunDir(folder), only_recorded=True, trust=True)
    else:
        opened, checkpoint = _opened(folder, group, accept)
        try:
            plan = checked_plan(group.experiment, None, None, None, check=False)
            if checkpoint is None:
                check_start(plan)
            else:
                agree_on_layout(opened, checkpoint, plan, accept.get("accept_layout", False))
                check_state(checkpoint, plan)
            with logging_to(opened.log):
                run_session(opened, plan, checkpoint, callbacks, programs, of_a_sweep=True)
        except NotBegun as signal:
            raise Interrupted(folder.name) from signal
        except Exception as error:
            if isinstance(error, NOT_OF_THE_TRIALS) or is_of_machine(error):
                raise
            _fail(folder, error)
            return None
        finally:
            opened.unlock()
    if run.summary["stopped_by"] == "interrupted":
        raise Interrupted(folder.name)
    return run


def _opened(
    folder: Path, group: TrialGroup, accept: Mapping[str, bool]
) -> tuple[RunDir, Checkpoint | None]:
    """The locked run folder, and the checkpoint to resume from."""
    if not (folder / "config.yaml").exists():
        if os.path.lexists(folder):
            raise ConfigError(
                f"{folder} is no run (it has no config.yaml); move it away, and the sweep trains"
                " its trials again."
            )
        _refuse_without_start(group)
        return RunDir.create(folder.parent, folder.name, group.experiment), None
    opened = RunDir(folder)
    opened.lock()
    with on_error(opened.unlock):
        accepts = accept.get("accept_versions", False)
        checkpoint = matching(opened, group.experiment, fall_back=True, accept_versions=accepts)
        if checkpoint is None:
            _refuse_without_start(group)
        return opened, checkpoint


def _refuse_without_start(group: TrialGroup) -> None:
    """Refuse a group whose start has lost its run or its checkpoint since the sweep began.

    Raises:
        ConfigError: with a remedy.
    """
    if (start := group.experiment.start) is not None:
        Run(RunDir.open(start.run)).checkpoint(start.checkpoint)


def _fail(folder: Path, error: Exception) -> None:
    """Write failed.json, so that a resumed sweep samples the same trials afterwards."""
    text = f"{type(error).__name__}: {one_line(error, 1000)}"
    write_json(folder / "failed.json", {"error": text})
    log.error("group %s failed with all its trials: %s; the sweep continues", folder.name, text)


def _check_same(run: Run, group: TrialGroup) -> None:
    if differing := other_settings(run.experiment, group.experiment):
        raise ConfigError(
            f"{run.path} holds other trials than the sweep now samples (then, now):"
            f" {'; '.join(differing)}. Another version of"
            " elsinore or Optuna made it, it was edited, or an earlier group's failed.json was"
            " deleted, whose trials Optuna then took for failed. Put that back, or start the sweep"
            " under another name."
        )
