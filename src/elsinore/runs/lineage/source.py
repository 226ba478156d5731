"""The run and the checkpoint that a new run begins from, read as data."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.config.start import StartConfig
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, quoted
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.remote import is_remote
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.shipped import HOLDS
from elsinore.runs.trust.signature import is_own
from elsinore.runs.trust.trust import Trust, refuse_to_send

WHICH = re.compile(r"[^/]*(/\d*)?")  # the checkpoint after an @
FOLDER = re.compile(r"(.+?)(?:/checkpoints)?/([a-z]+/\d{10})/?")  # a checkpoint's, in a run's


class Source(NamedTuple):
    """The checkpoint that a run begins from, read as data: none of its code is imported."""

    folder: RunDir
    checkpoint: Checkpoint
    experiment: Experiment

    @property
    def name(self) -> str:
        return f"{self.folder.path}@{self.checkpoint.name}"


def source_of(start: StartConfig) -> Source:
    """The checkpoint that the settings name.

    Raises:
        ConfigError: if the run or the checkpoint is gone, its files have changed, or it is no
            folder.
    """
    if is_remote(start.run):  # a plan has the folder of the copy that it has fetched
        raise ConfigError(
            f"start.run={start.run!r} is an address, which a run's own settings never name; fetch"
            f" the copy by `elsinore train --from {quoted(start.run)}` (in Python, from_run)."
        )
    folder = RunDir.open(start.run)
    found = Run(folder).checkpoint(start.checkpoint)
    checkpoints.verify(found)
    if start.parts != "policy" and found.manifest.get("holds") == HOLDS:
        raise ConfigError(
            f"from_parts={start.parts!r} needs more of {start.run} than the policy that it holds;"
            f" take {parts_option('policy')}."
        )
    if start.parts == "all" and not found.has_all:
        raise ConfigError(
            f"from_parts='all' takes the replay buffer, which {start.run}@{found.name} does not"
            f" hold (checkpoints.best_buffers: false); take {parts_option('learner')}, or --from"
            f" {quoted(f'{start.run}@latest')} (in Python, from_run; as a setting, start.run)."
        )
    return Source(folder, found, folder.recorded())


def parts_option(parts: str) -> str:
    """The ways to say what a run takes from another; comparisons and sweeps have only settings."""
    return (
        f"--from-parts {parts} (in Python, from_parts={parts!r}; as a setting, start.parts={parts})"
    )


def parse_source(text: str, runs_dir: Path) -> tuple[RunDir, str | None]:
    """The run and the checkpoint, if one is named, in `RUN`, `RUN@best`, `RUN@best/0000000390`,
    `RUN/best/0000000390` or the path of a checkpoint's folder. Folders may have an @ in their
    names.

    Raises:
        ConfigError: if there is no such run.
    """
    run, at, which = text.rpartition("@")
    if at and not is_remote(text):  # one request for a URL
        with suppress(ConfigError):
            return RunDir.open(text, runs_dir), None
    if at and WHICH.fullmatch(which):
        return RunDir.open(run, runs_dir), which
    if found := FOLDER.fullmatch(text):
        with suppress(ConfigError):
            return RunDir.open(found[1], runs_dir), found[2]
    return RunDir.open(text, runs_dir), None


def as_asked(start: StartConfig, runs_dir: Path) -> StartConfig:
    """The start with its run by the full path, and with the checkpoint that is asked for: a name, a
    kind, or None for the default.

    Raises:
        ConfigError: if there is no such run.
    """
    folder, which = parse_source(start.run, runs_dir)
    return _as_asked(start, folder.path, which)


def places_asked(start: StartConfig, runs_dir: Path) -> list[StartConfig]:
    """The start as it is asked for, of a run that is gone, for each folder that it may have been
    in."""
    readings: list[tuple[str, str | None]] = [(start.run, None)]
    run, at, which = start.run.rpartition("@")
    if at and WHICH.fullmatch(which):
        readings.append((run, which))
    if found := FOLDER.fullmatch(start.run):
        readings.append((found[1], found[2]))
    return [
        _as_asked(start, path, which)
        for run, which in readings
        for path in (Path(run), runs_dir / run)
    ]


def _as_asked(start: StartConfig, path: Path, which: str | None) -> StartConfig:
    which = which or start.checkpoint or ("latest" if start.parts == "all" else None)
    return replace(start, run=str(path.resolve()), checkpoint=which)


def start_settings(
    run: str | Path | Run | None, parts: str, leave: Iterable[str], seed: int | None
) -> dict[str, Any]:
    """The settings, by dotted name, of a run that begins from another; none without one.

    Raises:
        ConfigError: for parts or a seed of no run.
    """
    if run is None:
        if parts != "policy" or [*leave] or seed is not None:
            raise ConfigError(
                "from_parts, from_leave and from_seed choose what a run takes from another; name"
                " that with --from RUN (in Python, from_run)."
            )
        return {}
    text = str(run.path if isinstance(run, Run) else run)
    names = {"run": text, "parts": parts, "leave": [*leave], "seed": seed}
    return {f"start.{name}": value for name, value in names.items()}


def settings_of_source(
    text: str, runs_dir: Path, trust: Trust, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """All settings of the run in `text`, for a new one; without its budgets of before.

    Args:
        chosen: those that the new run has instead, by dotted name.

    Raises:
        ConfigError: if they name code, or a place where sinks send data that is not `chosen`, and
            are neither this user's nor trusted.
    """
    folder, _ = parse_source(text, runs_dir)
    settings = as_dict(folder.experiment(trust)) | {"earlier_env_steps": []}
    if trust is not True and not is_own(folder.config):
        refuse_to_send(read_yaml(folder.config), folder.config, trust, chosen)
    return settings | {"start": None}


def start_of(experiment: Experiment) -> StartConfig:
    """The settings of the start of an experiment that has one."""
    assert experiment.start is not None, "only a run that begins from another one comes here"
    return experiment.start
