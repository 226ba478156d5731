"""Directory of a sweep.

runs/<name>/sweep.yaml     the sweep with every default written out
runs/<name>/groups/<n>/    the runs of its trials
runs/<name>/               trials.csv  summary.json  best.yaml  parallel_coordinates.png
                           importance.png  logs/sweep.log
"""

import os
from pathlib import Path

import yaml

from elsinore.config.load_sweep import load_sweep
from elsinore.config.mappings import in_groups
from elsinore.config.search import Sweep
from elsinore.config.yaml_files import read_yaml, yaml_text
from elsinore.errors import ConfigError, on_error, quoted
from elsinore.runs.checkpoints.manifest import differences
from elsinore.runs.files.durable import replacing
from elsinore.runs.run_dir import RunDir, check_folder_name, free_name_from, runs_inside
from elsinore.runs.trust import signature
from elsinore.runs.trust.redaction import comparable, folder_mode
from elsinore.runs.trust.trust import Trust, confirmed


class SweepDir:
    """Paths and lock of one sweep."""

    def __init__(self, path: Path):
        path = path.absolute()  # as of a run
        self.path = path
        self.config = path / "sweep.yaml"
        self.groups = path / "groups"
        self.trials = path / "trials.csv"
        self.summary = path / "summary.json"
        self.best = path / "best.yaml"
        self.coordinates = path / "parallel_coordinates.png"
        self.importance = path / "importance.png"
        self.log = path / "logs" / "sweep.log"
        self._lock = RunDir(path)

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def of(cls, runs_dir: Path, name: str | None, sweep: Sweep) -> "SweepDir":
        """Create and lock the directory, or lock an existing one of the same sweep.

        Raises:
            ConfigError: for an invalid or taken name, or a directory that cannot be written.
        """
        name = free_name_from("sweep", runs_dir) if name is None else check_folder_name(name)
        folder = cls(runs_dir / name)
        if folder.config.exists():
            folder.lock()
            with on_error(folder._lock.unlock):
                folder._check_same(sweep)
            return folder
        others = {
            "run": (folder.path / "config.yaml").exists(),
            "comparison": any(run.parent != folder.groups for run in runs_inside(folder.path)),
        }
        for kind in (kind for kind, there in others.items() if there):
            raise ConfigError(f"name={name!r} is taken in {runs_dir} by a {kind}; choose another.")
        try:
            config = sweep.as_dict()
            folder.path.mkdir(parents=True, exist_ok=True, mode=folder_mode(config))
            folder.log.parent.mkdir(exist_ok=True)
            folder.groups.mkdir(exist_ok=True)
            folder.lock()
            with on_error(folder._lock.unlock), replacing(folder.config) as unfinished:
                unfinished.write_text(yaml_text(config), encoding="utf-8")
                signature.sign(folder.config, following=unfinished)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ConfigError(
                f"runs folder {runs_dir} cannot be written: {reason}; choose another."
            ) from error
        return folder

    @classmethod
    def open(cls, sweep: str | Path, runs_dir: Path) -> "SweepDir":
        """An existing sweep, by path or by name.

        Raises:
            ConfigError: if there is none.
        """
        for path in (Path(sweep), runs_dir / sweep):
            if (path / "sweep.yaml").is_file():
                return cls(path)
        raise ConfigError(
            f"{sweep} is not a sweep: neither it nor {runs_dir / sweep} has a sweep.yaml."
        )

    def sweep(self, trust: Trust = False) -> Sweep:
        """The sweep, ready to be trained.

        Raises:
            ConfigError: for an invalid one, or one that names code that is neither this user's nor
                trusted.
        """
        # in groups, as its settings will be: what is asked for is looked up by them
        return load_sweep(
            confirmed(in_groups(read_yaml(self.config)), self.config, trust, sends=True)
        )

    def lock(self) -> None:
        """Take the lock, which is released when the process ends, and make the folder of groups
        where it is gone.

        Raises:
            ConfigError: if another process runs this sweep.
        """
        self._lock.lock()
        with on_error(self._lock.unlock):
            signature.clean(self.config)
            self.groups.mkdir(exist_ok=True)

    def unlock(self) -> None:
        self._lock.unlock()

    def _check_same(self, sweep: Sweep) -> None:
        now = yaml.safe_load(yaml_text(sweep.as_dict()))
        differing = differences(comparable(read_yaml(self.config)), comparable(now))
        if differing:
            raise ConfigError(
                f"name={self.name!r} is taken by another sweep (then, now):"
                f" {'; '.join(differing)}. Choose another name, or resume it unchanged:"
                f" `elsinore sweep --resume {quoted(self.path)}`."
            )
