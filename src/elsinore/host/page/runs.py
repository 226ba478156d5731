"""The runs below a folder, and nothing else: whatever a path says, no file outside is opened."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsinore.host.folder import RunFolder
from elsinore.host.store import FORMAT, SCHEMA

DEPTHS = ("[!.]*", "[!.]*/[!.]*/[!.]*")  # a run; a comparison's or a sweep's
MAX_TEXT = 1_000_000  # bytes of a text file that are read


class Unreadable(Exception):
    """Something that cannot be shown; its text is one line for people."""


class Shelf:
    """The folder of runs. A run's name is its path from there."""

    def __init__(self, top: Path):
        self.top = top.resolve()

    def names(self) -> list[str]:
        """Every run below, links out of the folder left aside."""
        found = (path.parent for depth in DEPTHS for path in self.top.glob(f"{depth}/config.yaml"))
        return sorted(path.relative_to(self.top).as_posix() for path in found if self._holds(path / "config.yaml"))

    def open(self, name: str) -> RunFolder:
        """The run of that name.

        Raises:
            Unreadable: where there is none below the folder.
        """
        path = self.top / name
        try:
            found = self._holds(path / "config.yaml") and (path / "config.yaml").is_file()
        except (OSError, ValueError):  # a name too long, a byte 0
            found = False
        if not found:
            raise Unreadable(f"there is no run {name[:80]!r} here.")
        return RunFolder(path)

    def text(self, path: Path) -> str:
        """The beginning of a file of a run; empty where there is no file.

        Raises:
            Unreadable: where the path leads out of the folder.
        """
        self.check(path)
        try:
            with path.open("rb") as file:
                return file.read(MAX_TEXT).decode(errors="replace")
        except OSError:
            return ""

    def check(self, path: Path) -> None:
        """Raises:
        Unreadable: where a path leads out of the folder."""
        if not self._holds(path):
            raise Unreadable(f"{path.name} leads out of the folder of runs.")

    @contextlib.contextmanager
    def database(self, run: RunFolder) -> Iterator[sqlite3.Connection]:
        """A run's metrics at one moment, for reading only; without tables where nothing was told yet.

        Raises:
            Unreadable: where it is broken, of a newer format, or leads out of the folder.
        """
        self.check(run.database)
        db = None
        try:
            db = _opened(run.database) if run.database.exists() else _empty()
            db.execute("BEGIN")  # what is read from here on is of one moment
            _check_format(db)
            yield db
        except sqlite3.Error as error:
            raise Unreadable(f"metrics.sqlite cannot be read: {error}.") from error
        finally:
            if db is not None:
                db.close()

    def _holds(self, path: Path) -> bool:
        try:
            return path.resolve().is_relative_to(self.top)
        except (OSError, RuntimeError, ValueError):  # a loop of links, or what is no path
            return False


def _opened(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for one thread at a time. Where not so much as a lock can be left beside it,
    the file is read as it lies there."""
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
    # a copy on a disk that cannot be written
    return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(SCHEMA)
    return db


def _check_format(db: sqlite3.Connection) -> None:
    found = info_of(db).get("format", FORMAT)
    if found != FORMAT:
        raise Unreadable(f"this run has format {found}, and this elsinore reads {FORMAT}: use the one that made it.")


def info_of(db: sqlite3.Connection) -> dict[str, Any]:
    """What the run is, as its store tells."""
    return dict(db.execute("SELECT name, value FROM info"))
