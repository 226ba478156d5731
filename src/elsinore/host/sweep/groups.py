"""One group of trials: an ordinary run, begun, gone on with, or found finished."""

import logging
from collections.abc import Callable
from pathlib import Path

from elsinore.config.build import ConfigError, as_dict
from elsinore.config.sweep import Group
from elsinore.host import checkpoints
from elsinore.host.api import ready_plan
from elsinore.host.folder import RunFolder
from elsinore.host.result import Run
from elsinore.host.session import logging_to, run_session
from elsinore.host.summary import write_json

log = logging.getLogger("elsinore")


class Interrupted(Exception):
    """A group was asked to stop, and has saved where it was."""


def train_group(folder: Path, group: Group, programs: Callable) -> Run | None:
    """The group's run, finished; None where it has failed, now or before.

    Raises:
        Interrupted: where it was asked to stop.
        ConfigError: where the folder has another group's run in it.
    """
    run = Run(RunFolder(folder))
    if (folder / "config.yaml").exists():
        _refuse_another(run, group)
    if (folder / "failed.json").exists():
        return None
    if run.summary.get("stopped_by") in (None, "interrupted"):
        opened, checkpoint = _opened(folder, group)
        try:
            plan = ready_plan(group.experiment, None, None, None, check=False)
            with logging_to(opened):
                run_session(opened, plan, checkpoint, (), programs)
        except Exception as error:
            _fail(folder, error)
            return None
        finally:
            opened.unlock()
    if run.summary["stopped_by"] == "interrupted":
        raise Interrupted(folder.name)
    return run


def _opened(folder: Path, group: Group) -> tuple[RunFolder, checkpoints.Checkpoint | None]:
    """The run's folder, locked, and what it is to be gone on from."""
    if not (folder / "config.yaml").exists():
        return RunFolder.create(folder.parent, folder.name, group.experiment), None
    opened = RunFolder(folder)
    opened.lock()
    try:
        if not checkpoints.listed(opened.checkpoints):
            return opened, None
        checkpoint = checkpoints.newest(opened.checkpoints, fall_back=True)
        checkpoints.check_match(checkpoint, group.experiment)
        return opened, checkpoint
    except BaseException:
        opened.unlock()
        raise


def _fail(folder: Path, error: Exception) -> None:
    """Remember that the group cannot be trained, so that a sweep that is resumed asks the same afterwards."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}"
    write_json(folder / "failed.json", {"error": text})
    log.error("group %s has failed, and its trials with it: %s; the sweep goes on", folder.name, text)


def _refuse_another(run: Run, group: Group) -> None:
    if as_dict(run.experiment) != as_dict(group.experiment):
        raise ConfigError(
            f"{run.path} holds other trials than the sweep now asks for; it was made by another version of elsinore or "
            "Optuna, or changed by hand. Begin the sweep anew under another name."
        )
