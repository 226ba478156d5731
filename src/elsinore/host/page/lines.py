"""The list of runs, kept fresh for everybody who looks without reading anything twice."""

import threading
import time
from pathlib import Path
from typing import Any

from elsinore.host.control import SOCKET
from elsinore.host.folder import RunFolder
from elsinore.host.page.facts import line_of
from elsinore.host.page.runs import Shelf, Unreadable

ASK_PERIOD = 0.8  # seconds between two questions to a run that is trained
LIST_PERIOD = 2.0  # seconds between two looks for new runs


class Lines:
    """Each run's line of the list, read again only when its files have changed, or while it is trained."""

    def __init__(self, shelf: Shelf):
        self._shelf = shelf
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, tuple, dict[str, Any]]] = {}  # name -> when, signature, line
        self._names: tuple[float, list[str]] = (0.0, [])

    def of(self, name: str) -> tuple[tuple, dict[str, Any]]:
        """A signature that changes with the run's files, and the line.

        Raises:
            Unreadable: where there is no such run.
        """
        run = self._shelf.open(name)
        with self._lock:
            now, signature = time.monotonic(), signature_of(run)
            asked, known, line = self._known.get(name, (0.0, None, {}))
            fresh = not (run.path / SOCKET).exists() or now - asked < ASK_PERIOD
            if known != signature or not fresh:
                line = line_of(self._shelf, name)
                self._known[name] = (now, signature, line)
        return signature, line

    def all(self) -> list[dict[str, Any]]:
        """Every run's, the one that changed last first."""
        found = []
        for name in self._listed():
            try:
                found.append(self.of(name)[1])
            except Unreadable:  # it has been deleted meanwhile
                self._known.pop(name, None)
        return sorted(found, key=lambda line: line["time"], reverse=True)

    def _listed(self) -> list[str]:
        with self._lock:
            when, names = self._names
            if time.monotonic() - when >= LIST_PERIOD:
                names = self._shelf.names()
                self._names = (time.monotonic(), names)
            return names


def signature_of(run: RunFolder) -> tuple:
    """Sizes and times of the files that say how a run stands."""
    wal = run.database.with_name(f"{run.database.name}-wal")
    return tuple(_stamp(path) for path in (run.database, wal, run.summary, run.path / SOCKET))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    if path.name.endswith("-wal") and not found.st_size:  # as reading alone leaves it behind
        return None
    return found.st_mtime_ns, found.st_size
