"""One command that begins a run and, when a scheduler repeats it, continues it."""

import os
from pathlib import Path

from elsinore.config.experiment import Experiment
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, quoted
from elsinore.jaxtools import processes
from elsinore.runs.checkpoints.manifest import other_settings
from elsinore.runs.lineage.lengthen import unit_of
from elsinore.runs.remote import fetched, has_copy
from elsinore.runs.run_dir import NameTaken, RunDir, check_folder_name
from elsinore.runs.trust.named_code import code_in
from elsinore.runs.trust.signature import sign

# What a run's config has and a command does not: the checkpoint that it began from, for which a
# later call may find a newer one, and the budgets before it was lengthened.
OF_THE_RUN = ("start.checkpoint", "earlier_env_steps")


def refuse_without_name(name: str | None) -> None:
    """Refuse to continue a run that no second call would find."""
    if name is None:
        raise ConfigError(
            "--go-on (in Python, go_on=True) needs --name (name): by it the next call finds"
            " its run."
        )


def new_run(runs_dir: Path, name: str | None, experiment: Experiment, go_on: bool) -> RunDir:
    """A new run's directory, locked; with `go_on` of a run that had not begun.

    Raises:
        ConfigError: as `RunDir.create`; with `go_on` if another process has begun it meanwhile.
    """
    try:
        return RunDir.create(runs_dir, name, experiment)
    except NameTaken as error:
        if not go_on:
            raise
        raise ConfigError(
            f"{runs_dir / str(name)} is being trained by another process, which began it at the"
            " same moment; wait for it, or stop it."
        ) from error


def bring_copy(runs_dir: Path, name: str, url: str | None) -> None:
    """Fetch the run of that name from its copy below `url` where it is not here. All processes of a
    run call this: the first one fetches, and the others wait for it.

    Raises:
        ConfigError: if there is a copy that cannot be read.
    """
    if processes.is_first() and url is not None and not os.path.lexists(runs_dir / name):
        copy = f"{url.rstrip('/')}/{check_folder_name(name)}"
        if has_copy(copy):
            fetched(copy, runs_dir)
    processes.agreed(None, "the copy of the run", processes.COMPILING)


def begun_run(runs_dir: Path, name: str, experiment: Experiment) -> RunDir | None:
    """The run of that name; None if it has not begun.

    Raises:
        ConfigError: for a folder that is no run, or a run of other settings.
    """
    path = runs_dir / name
    if not os.path.lexists(path):
        return None
    folder = RunDir.open(path, runs_dir)
    differing = other_settings(folder.recorded(), experiment)
    differing = [text for text in differing if text.split()[0] not in OF_THE_RUN]
    if differing:
        unit = unit_of(folder.recorded())
        budget = "--env-steps N" if unit == "env_steps" else f"--set {unit}=N"
        raise ConfigError(
            f"--go-on (in Python, go_on=True): the run {folder.path} has other settings; then and"
            f" now: {'; '.join(differing)}. Repeat the command that it was begun with, choose"
            " another name, or continue without settings by `elsinore train --resume"
            f" {quoted(folder.path)}` (with {budget} for another budget)."
        )
    if not code_in(read_yaml(folder.config)):
        sign(folder.config)  # all of its settings are those of this user's command
    return folder
