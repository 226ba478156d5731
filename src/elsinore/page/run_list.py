"""The list of runs, cached: a run is read again only when its files have changed."""

import math
import threading
import time
from pathlib import Path
from typing import Any

from elsinore.page.manage import TAGS
from elsinore.page.run_status import status_of
from elsinore.page.runs_directory import REST, PageError, RunsDirectory
from elsinore.runs.control import SOCKET
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_state import LIVE

ASK_PERIOD = 0.8  # seconds between two requests to a run in training
# Seconds until a run that cannot be read is read again: its files may be sound, and only slow.
ERROR_PERIOD = REST
LIST_PERIOD = 2.0  # seconds between two searches for new runs
# Seconds after a change in which files are read again at each look: a commit's bytes are in the
# write-ahead log, and sent to the disk, before a reader sees them.
SETTLING = 30.0
LOOK_PERIOD = 0.5  # seconds between two looks meanwhile
WAL = 0  # the place of the write-ahead log in a signature


class RunList:
    """The status of every run, read again when its files change and while it trains."""

    def __init__(self, runs: RunsDirectory):
        self._runs = runs
        self._lock = threading.Lock()  # of the search
        # by name: a run that takes long to read keeps no other waiting
        self._locks: dict[str, threading.Lock] = {}
        # name -> time of reading, signature, status
        self._cache: dict[str, tuple[float, tuple, dict[str, Any]]] = {}
        # name -> signature of its files, time at which it was first seen
        self._seen: dict[str, tuple[tuple, float]] = {}
        # time of the search, names, and the folders skipped with their reasons
        self._found: tuple[float, list[str], dict[str, str]] = (0.0, [], {})

    def status(self, name: str) -> tuple[tuple, dict[str, Any]]:
        """A signature that changes when there may be something new, and the run's status.

        Raises:
            PageError: if there is no such run.
        """
        run = self._runs.open(name)
        with self._locks.setdefault(name, threading.Lock()):
            now = time.monotonic()
            signature = self._signature(name, run, now)
            read_at, known, status = self._cache.get(name, (0.0, None, {}))
            trains = (run.path / SOCKET).exists() or status.get("state") in LIVE
            period = ERROR_PERIOD if "error" in status else ASK_PERIOD if trains else math.inf
            if known != signature or now - read_at >= period:
                status = self._read(name)
                self._cache[name] = (now, signature, status)
        return signature, status

    def all(self) -> list[dict[str, Any]]:
        """The status of every run, the last changed first."""
        found = []
        for name in self._search()[0]:
            try:
                found.append(self.status(name)[1])
            except PageError:  # deleted in the meantime
                self._cache.pop(name, None)
                self._seen.pop(name, None)
        return sorted(found, key=lambda status: status["time"], reverse=True)

    def skipped(self) -> dict[str, str]:
        """Folders that are not listed though they look like runs: name and reason."""
        return self._search()[1]

    def search_again(self) -> None:
        """Search for runs at the next list: one was renamed or deleted."""
        with self._lock:
            self._found = (0.0, [], {})

    def _signature(self, name: str, run: RunDir, now: float) -> tuple:
        """The signature of the files; with a number that counts looks while a commit settles."""
        files = file_signature(run)
        known, since = self._seen.get(name, (None, 0.0))
        if files != known:
            self._seen[name] = files, (since := now)
        settling = files[WAL] is not None and now - since < SETTLING
        return files, int(now / LOOK_PERIOD) if settling else None

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return status_of(self._runs, name)
        except PageError:
            raise
        except Exception as error:  # its files may hold anything; the other runs are shown
            reason = f"this run cannot be read ({type(error).__name__})."
            return {"name": name, "state": "interrupted", "time": 0.0, "error": reason}

    def _search(self) -> tuple[list[str], dict[str, str]]:
        with self._lock:
            searched_at, names, skipped = self._found
            if time.monotonic() - searched_at >= LIST_PERIOD:
                names, skipped = self._runs.names(), self._runs.skipped()
                self._found = (time.monotonic(), names, skipped)
            return names, skipped


def file_signature(run: RunDir) -> tuple:
    """Modification times and sizes of the files that a run's status depends on."""
    wal = run.database.with_name(f"{run.database.name}-wal")
    tags = run.path / TAGS
    return tuple(_stamp(path) for path in (wal, run.database, run.summary, tags, run.path / SOCKET))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    if path.name.endswith("-wal") and not found.st_size:  # a reader leaves an empty one
        return None
    return found.st_mtime_ns, found.st_size
