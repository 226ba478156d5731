"""Where a search keeps its things.

runs/<name>/  sweep.yaml   as searched, every default written out     groups/<n>/   the runs that its trials became
              trials.csv  summary.json  best.yaml  parallel_coordinates.png  importance.png  logs/sweep.log
"""

import os
import re
from datetime import datetime
from pathlib import Path

import yaml

from elsinore.config.build import ConfigError
from elsinore.config.load import read_yaml
from elsinore.config.sweep import Sweep, load_sweep
from elsinore.host.folder import RunFolder


class SweepFolder:
    """The paths of one search, and the lock that whoever runs it holds."""

    def __init__(self, path: Path):
        self.path = path
        self.config = path / "sweep.yaml"
        self.groups = path / "groups"
        self.trials = path / "trials.csv"
        self.summary = path / "summary.json"
        self.best = path / "best.yaml"
        self.coordinates = path / "parallel_coordinates.png"
        self.importance = path / "importance.png"
        self.log = path / "logs" / "sweep.log"
        self._lock = RunFolder(path)

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def of(cls, runs_dir: Path, name: str | None, sweep: Sweep) -> "SweepFolder":
        """The search of that name, locked: a new one, or one that is gone on with.

        Raises:
            ConfigError: where the name is none, or is that of something else, or the folder cannot be written.
        """
        name = name or f"sweep-{datetime.now():%Y%m%d-%H%M%S}"
        if not re.fullmatch(r"[\w.+-][\w .+-]*", name) or name in (".", ".."):
            raise ConfigError(f"--name {name!r} is no folder's name; use letters, digits, '-', '_' and '.'.")
        folder = cls(runs_dir / name)
        if folder.config.exists():
            folder.lock()
            folder._refuse_another(sweep)
            return folder
        if (folder.path / "config.yaml").exists():
            raise ConfigError(f"--name {name!r} is taken in {runs_dir} by a run; choose another.")
        try:
            folder.log.parent.mkdir(parents=True, exist_ok=True)
            folder.groups.mkdir(exist_ok=True)
            folder.lock()
            unfinished = folder.path / ".sweep.yaml"
            unfinished.write_text(yaml.safe_dump(sweep.as_dict(), sort_keys=False))
            unfinished.rename(folder.config)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise ConfigError(f"runs folder {runs_dir} cannot be written: {reason}; choose another.") from error
        return folder

    @classmethod
    def open(cls, sweep: str | Path, runs_dir: Path) -> "SweepFolder":
        """An existing search, by path or by name.

        Raises:
            ConfigError: where there is none.
        """
        for path in (Path(sweep), runs_dir / sweep):
            if (path / "sweep.yaml").is_file():
                return cls(path)
        raise ConfigError(f"{sweep} is not a sweep: neither it nor {runs_dir / sweep} has a sweep.yaml.")

    def sweep(self) -> Sweep:
        return load_sweep(read_yaml(self.config))

    def lock(self) -> None:
        """Held until the process ends, however it ends.

        Raises:
            ConfigError: where another process runs this search.
        """
        self._lock.lock()

    def unlock(self) -> None:
        self._lock.unlock()

    def _refuse_another(self, sweep: Sweep) -> None:
        then, now = _dotted(read_yaml(self.config)), _dotted(yaml.safe_load(yaml.safe_dump(sweep.as_dict())))
        differing = [f"{n} {then.get(n)!r}, {now.get(n)!r}" for n in {**then, **now} if then.get(n) != now.get(n)]
        if differing:
            self.unlock()
            raise ConfigError(
                f"--name {self.name!r} is taken by another sweep; then and now: {'; '.join(differing)}. Choose another "
                f"name, or go on with it as it was: `elsinore sweep --resume {self.path}`."
            )


def _dotted(data: dict, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in data.items():
        found |= _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found
