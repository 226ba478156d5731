"""Read access to the runs below one directory; paths that lead out of it are refused."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import SCHEMA, STORE_FORMAT

RUN_DEPTHS = ("[!.]*", "[!.]*/[!.]*/[!.]*")  # a run; a run of a comparison or a sweep
MAX_TEXT = 1_000_000  # bytes of a text file that are read


class PageError(Exception):
    """A request that the page cannot answer; the text is one line for its user."""


class RunsDirectory:
    """The directory of runs. A run's name is its path relative to it."""

    def __init__(self, top: Path):
        self.top = top.resolve()

    def names(self) -> list[str]:
        """Names of all runs below, except links to runs elsewhere."""
        return sorted(
            path.relative_to(self.top).as_posix()
            for path in run_paths(self.top)
            if self._contains(path / "config.yaml")
        )

    def open(self, name: str) -> RunDir:
        """The run of that name.

        Raises:
            PageError: if there is none below the directory.
        """
        path = self.top / name
        try:
            found = self._contains(path / "config.yaml") and (path / "config.yaml").is_file()
        except (OSError, ValueError):  # a name too long, a byte 0
            found = False
        if not found:
            raise PageError(f"there is no run {name[:80]!r} here.")
        return RunDir(path)

    def text(self, path: Path) -> str:
        """The first `MAX_TEXT` bytes of a file of a run; empty if there is no file.

        Raises:
            PageError: if the path leads out of the directory.
        """
        self.check(path)
        try:
            with path.open("rb") as file:
                return file.read(MAX_TEXT).decode(errors="replace")
        except OSError:
            return ""

    def check(self, path: Path) -> None:
        """Raises:
        PageError: if a path leads out of the directory."""
        if not self._contains(path):
            raise PageError(f"{path.name} leads out of the runs directory.")

    @contextlib.contextmanager
    def database(self, run: RunDir) -> Iterator[sqlite3.Connection]:
        """A read-only snapshot of a run's metrics; empty tables before the first chunk.

        Raises:
            PageError: if it is broken, of another format, or leads out of the directory.
        """
        self.check(run.database)
        db = None
        try:
            db = _connect(run.database) if run.database.exists() else _empty_database()
            db.execute("BEGIN")  # all later reads see this moment
            _check_format(db)
            yield db
        except sqlite3.Error as error:
            raise PageError(f"metrics.sqlite cannot be read: {error}.") from error
        finally:
            if db is not None:
                db.close()

    def _contains(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self.top)
        except (OSError, RuntimeError, ValueError):  # a loop of links, or no path at all
            return False


def run_paths(top: Path) -> list[Path]:
    """Directories with a config.yaml, sorted: runs, and runs of comparisons and sweeps."""
    return sorted(path.parent for depth in RUN_DEPTHS for path in top.glob(f"{depth}/config.yaml"))


def _connect(path: Path) -> sqlite3.Connection:
    """A read-only connection; without locks where no lock file can be written."""
    uri = path.as_uri()
    db = None
    try:
        db = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=2.0, check_same_thread=False)
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
        return db
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        if not isinstance(error, sqlite3.OperationalError):
            raise
    # a copy on a read-only disk
    return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def _empty_database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(SCHEMA)
    return db


def _check_format(db: sqlite3.Connection) -> None:
    found = info_of(db).get("format", STORE_FORMAT)
    if found != STORE_FORMAT:
        raise PageError(
            f"this run has format {found}, and this elsinore reads {STORE_FORMAT}: use the one that"
            " made it."
        )


def info_of(db: sqlite3.Connection) -> dict[str, Any]:
    """The table `info` of a run's store: env, algo, seeds, steps_per_update, ..."""
    return dict(db.execute("SELECT name, value FROM info"))
