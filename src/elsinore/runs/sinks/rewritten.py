"""Sinks that are written anew from the store, which has all rows, also those before a resume."""

import contextlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from elsinore.runs.records import Row
from elsinore.runs.store.store import Store


class RewrittenSink(ABC):
    """Files that begin empty at each `open`, also after an error, which may leave a torn file."""

    every = 5.0

    def __init__(self, target: Path, database: Path, steps_per_update: int):
        self._target, self._database, self._steps = target, database, steps_per_update
        self._files: dict[str, Any] = {}  # those that are open, each with `flush` and `close`
        self._store: Any = None

    @abstractmethod
    def _begin(self) -> dict[str, Any]:
        """Empty the target; the files that are then open, to which `_write` may add others."""

    @abstractmethod
    def _write(self, rows: list[Row]) -> None:
        """Write rows of the store into the open files."""

    def open(self) -> None:
        self.close()
        self._files = self._begin()
        self._store = Store(self._database, read_only=True)
        self._position, self._torn = -1, False

    def catch_up(self) -> None:
        if self._torn:
            self.open()
        self._torn = True
        for rows in self._store.pages(self._position):
            self._write(rows)
            self._position = rows[-1].update if rows else self._position
        for file in self._files.values():
            file.flush()
        self._torn = False

    def close(self) -> None:
        for open_one in filter(None, (*self._files.values(), self._store)):
            with contextlib.suppress(OSError):
                open_one.close()
