"""Read access to the runs below one directory: the only way of the page to a run's files.

Every path is resolved before it is opened; one that leads out of its run, by a name or by a link at
any depth, is refused.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsinore.runs.files.natural import natural
from elsinore.runs.files.plain_files import is_no_file
from elsinore.runs.listing import DEEPEST, list_runs
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.database import open_read_only
from elsinore.runs.store.schema import SCHEMA, STORE_FORMAT
from elsinore.runs.store.store import BESIDE_DATABASE

# Bytes of a text file that are read; summary.json of 6,400 trials of four seeds has 3.3 million.
MAX_TEXT = 8_000_000
MAX_SECONDS = 5.0  # for the queries of one look at a run's metrics
REST = 60.0  # seconds in which a run whose metrics took longer is not read again
TOO_SLOW = "metrics.sqlite cannot be read: it takes too long."


class PageError(Exception):
    """A request that the page cannot answer; the text is one line for its user."""


class RunsDirectory:
    """The directory of runs. A run's name is its path relative to it."""

    def __init__(self, top: Path):
        self.top = top.resolve()
        self._rests_until: dict[Path, float] = {}  # by database, in time.monotonic()

    def names(self) -> list[str]:
        """Names of all runs below."""
        return [name for name in list_runs(self.top)[0] if self._is_run(name)]

    def skipped(self) -> dict[str, str]:
        """Folders that are not listed though they look like runs: name and reason."""
        names, skipped = list_runs(self.top)
        no_config = "its config.yaml is no file, or leads out of it."
        return skipped | {name: no_config for name in names if not self._is_run(name)}

    def open(self, name: str) -> RunDir:
        """The run of that name, of which there is one spelling.

        Raises:
            PageError: if there is none below the directory.
        """
        if not self._is_run(name):
            raise PageError(f"there is no run {name[:80]!r} here.")
        return RunDir(self.top / name)

    def _is_run(self, name: str) -> bool:
        parts = name.split("/")
        if len(parts) > DEEPEST or not all(x and not x.startswith(".") for x in parts):
            return False
        run = RunDir(self.top / name)
        try:
            return self.file(run, run.config) is not None
        except PageError:
            return False

    def held(self, run: RunDir, path: Path) -> Path:
        """`path` with every link followed.

        Raises:
            PageError: if it leads out of the run.
        """
        try:
            found = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, or no path at all
            found = None
        if found is None or not found.is_relative_to(run.path):
            raise PageError(f"{path.name} leads out of its run.")
        return found

    def file(self, run: RunDir, path: Path) -> Path | None:
        """`path` with every link followed, if it is a file (no folder, pipe or socket).

        Raises:
            PageError: if it leads out of the run.
        """
        found = self.held(run, path)
        try:
            return found if found.is_file() else None
        except (OSError, ValueError):  # a name too long, a byte 0
            return None

    def entries(self, run: RunDir, folder: Path) -> list[Path]:
        """Paths of the entries of a folder of a run, sorted; none if it is absent.

        Raises:
            PageError: if it leads out of the run.
        """
        try:
            names = sorted(os.listdir(self.held(run, folder)), key=natural)
            return [folder / name for name in names]
        except OSError:
            return []

    def text(self, run: RunDir, path: Path, most: int = MAX_TEXT) -> str:
        """The first `most` bytes of a file of a run; empty if there is no file.

        Raises:
            PageError: if the path leads out of the run.
        """
        found = self.file(run, path)
        try:
            with open(found or os.devnull, "rb") as file:
                return file.read(most).decode(errors="replace")
        except OSError:
            return ""

    def last_lines(self, run: RunDir, path: Path, most: int) -> str:
        """The whole lines among the last `most` bytes of a file of a run; empty if there is no
        file.

        Raises:
            PageError: if the path leads out of the run.
        """
        found = self.file(run, path)
        try:
            with open(found or os.devnull, "rb") as file:
                if file.seek(0, os.SEEK_END) > most:
                    file.seek(-most, os.SEEK_END)
                    file.readline()  # a part of a line
                else:
                    file.seek(0)
                return file.read(most).decode(errors="replace")
        except OSError:
            return ""

    @contextlib.contextmanager
    def database(self, run: RunDir, seconds: float = MAX_SECONDS) -> Iterator[sqlite3.Connection]:
        """A read-only snapshot of a run's metrics; empty tables before the first chunk.

        Raises:
            PageError: if it is broken, of another format, leads out of the run, takes more than
                `seconds` to read, or holds what the reader in the `with` statement cannot use.
        """
        for suffix in BESIDE_DATABASE:
            if is_no_file(self.held(run, run.database.with_name(f"{run.database.name}{suffix}"))):
                raise PageError(f"metrics.sqlite{suffix} cannot be read: it is no file.")
        db, path = None, self.file(run, run.database)
        if path is not None and time.monotonic() < self._rests_until.get(path, 0.0):
            raise PageError(TOO_SLOW)
        try:
            db = (
                open_read_only(path, 2.0, seconds, check_same_thread=False)
                if path
                else _empty_database()
            )
            db.execute("BEGIN")  # all later reads see this moment
            _check_format(db)
            yield db
        except sqlite3.Error as error:
            if path and getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                self._rests_until[path] = time.monotonic() + REST
                raise PageError(TOO_SLOW) from error
            raise PageError(f"metrics.sqlite cannot be read: {error}.") from error
        except (TypeError, ValueError, ArithmeticError) as error:  # SQLite's columns have no types
            raise PageError("metrics.sqlite cannot be read: a value has another type.") from error
        finally:
            if db is not None:
                db.close()


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


def run_id_of(db: sqlite3.Connection) -> str | None:
    """The identity of a run, which another run in a folder of the same name does not have."""
    found = info_of(db).get("run_id")
    return found if isinstance(found, str) else None


def info_of(db: sqlite3.Connection) -> dict[str, Any]:
    """The table `info` of a run's store: env, algo, seeds, steps_per_update, ..."""
    return dict(db.execute("SELECT name, value FROM info"))
