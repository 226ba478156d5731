"""metrics.jsonl: one line for each seed and update, for tools that read lines."""

import contextlib
import json
import math
from itertools import groupby
from pathlib import Path
from typing import Any

from elsinore.runs.files.durable import new_file
from elsinore.runs.records import Row
from elsinore.runs.store.store import Store


class JSONLinesSink:
    name = "JSON lines"
    every = 5.0

    def __init__(self, path: Path, database: Path, steps_per_update: int):
        self._path, self._database, self._steps = path, database, steps_per_update
        self._file: Any = None
        self._store: Any = None

    def open(self) -> None:
        """Start an empty file, since the store has all rows, also those before a resume."""
        self.close()
        self._file = new_file(self._path).open("w", encoding="utf-8")
        self._store = Store(self._database, read_only=True)
        self._position, self._torn = -1, False

    def catch_up(self) -> None:
        if self._torn:  # an error left a partial line
            self.open()
        self._torn = True
        for rows in self._store.pages(self._position):
            self._write(rows)
            self._position = rows[-1].update if rows else self._position
        self._file.flush()
        self._torn = False

    def _write(self, rows: list[Row]) -> None:
        for (update, seed, agent), group in groupby(rows, key=lambda row: row[:3]):
            line = {"update": update, "env_steps": update * self._steps, "seed": seed}
            line |= {"agent": agent} if agent else {}
            line |= {row.name: row.value if math.isfinite(row.value) else None for row in group}
            self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        for open_one in filter(None, (self._file, self._store)):
            with contextlib.suppress(OSError):
                open_one.close()
