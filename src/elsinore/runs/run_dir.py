"""A run's directory: its files and its lock."""

import fcntl
import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.config.load import read_yaml, whole_experiment, yaml_text
from elsinore.config.parse import ConfigError, as_dict
from elsinore.runs.durable import fsync_parents, fsync_tree
from elsinore.runs.masks import folder_mode


class RunDir:
    """The paths of one run, and the lock that the training process holds."""

    def __init__(self, path: Path):
        self.path = path
        self.config = path / "config.yaml"
        self.database = path / "metrics.sqlite"
        self.jsonl = path / "metrics.jsonl"
        self.summary = path / "summary.json"
        self.curves = path / "training_curves.png"
        self.log = path / "logs" / "train.log"
        self.checkpoints = path / "checkpoints"
        self.tensorboard = path / "tensorboard"
        self.policy = path / "policy"
        self.replays = path / "replays"
        self._lock: Any = None

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def create(cls, runs_dir: Path, name: str | None, experiment: Experiment) -> "RunDir":
        """Create a locked directory with the run's config.

        Raises:
            ConfigError: for a name that is taken or not allowed, or if the directory cannot be
                written.
        """
        name = name or free_name(runs_dir, experiment)
        if not re.fullmatch(r"[\w.+-][\w .+-]*", name) or name in (".", ".."):
            raise ConfigError(
                f"--name {name!r} is no folder's name; use letters, digits, '-', '_' and '.'."
            )
        folder, unfinished = cls(runs_dir / name), cls(runs_dir / f".{name}.{os.getpid()}")
        if folder.path.exists():
            raise ConfigError(
                f"--name {name!r} is taken in {runs_dir}; choose another, or resume it with "
                f"`elsinore train --resume {folder.path}`."
            )
        try:  # a kill at any moment leaves no directory of that name without its config
            config = as_dict(experiment)
            # a resumed run needs the secrets in its config
            unfinished.path.mkdir(parents=True, mode=folder_mode(config))
            unfinished.log.parent.mkdir()
            unfinished.config.write_text(yaml_text(config))
            fsync_tree(unfinished.path)
            unfinished.path.rename(folder.path)
            fsync_parents(folder.path, 2)
        except OSError as error:
            shutil.rmtree(unfinished.path, ignore_errors=True)
            raise ConfigError(
                f"runs folder {runs_dir} cannot be written: {os.strerror(error.errno or 0)}; choose"
                " another with --runs-dir."
            ) from error
        folder.lock()
        return folder

    @classmethod
    def open(cls, run: str | Path, runs_dir: Path = Path("runs")) -> "RunDir":
        """Open an existing run, by path or by name.

        Raises:
            ConfigError: if there is no such run.
        """
        places = (Path(run), runs_dir / run)
        for path in places:
            if (path / "config.yaml").is_file():
                return cls(path)
        found = next((_kind_of(path) for path in places if path.is_dir()), "no folder")
        raise ConfigError(
            f"{run} is not a run ({found}); `elsinore runs` lists those in {runs_dir}."
        )

    def experiment(self) -> Experiment:
        return whole_experiment(read_yaml(self.config))

    def lock(self) -> None:
        """Lock the run until `unlock` or the end of the process.

        Raises:
            ConfigError: if another process trains this run.
        """
        self._lock = (self.path / ".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"{self.path} is being trained by another process; wait for it, or stop it."
            ) from error

    def is_locked(self) -> bool:
        """True while a process trains this run."""
        try:
            self.lock()
        except (ConfigError, OSError):
            return True
        self.unlock()
        return False

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _kind_of(path: Path) -> str:
    """The description of a folder that is no run, with the place of runs in it."""
    if (path / "sweep.yaml").is_file():
        resume = f"elsinore sweep --resume {path}"
        return f"a sweep, with its runs in {path}/groups; resume it with `{resume}`"
    inside = sorted(path.glob("[!.]*/[!.]*/config.yaml"))
    return (
        f"a folder of runs, such as {inside[0].parent}"
        if inside
        else "a folder without config.yaml"
    )


def as_file_name(text: str) -> str:
    """`text` with characters that a file name should not have replaced by "-"."""
    return re.sub(r"[^\w.-]+", "-", text)


def free_name(runs_dir: Path, experiment: Experiment) -> str:
    """A new run's name, from environment, algorithm and time, that is not taken in `runs_dir`."""
    stem = (
        f"{as_file_name(f'{experiment.env}-{experiment.algo.name}')}-{datetime.now():%Y%m%d-%H%M%S}"
    )
    taken = (stem if i == 1 else f"{stem}-{i}" for i in range(1, 1000))
    return next(name for name in taken if not (runs_dir / name).exists())
