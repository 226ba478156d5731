"""TensorBoard event files, written without TensorFlow: one folder for each seed."""

import contextlib
import shutil
import sqlite3
import time
from itertools import groupby
from pathlib import Path
from typing import Any

from elsinore.config.agents import NAME as AGENT
from elsinore.runs.records import Row
from elsinore.runs.store.store import Store


class TensorBoardSink:
    name = "TensorBoard"
    every = 5.0

    def __init__(self, folder: Path, database: Path, steps_per_update: int):
        self._folder, self._database, self._steps = folder, database, steps_per_update
        self._writers: dict[str, Any] = {}
        self._store: Any = None

    def open(self) -> None:
        """Start empty files, since the store has all rows, also those before a resume."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._store = Store(self._database, read_only=True)
        self._writers, self._position, self._torn = {}, -1, False

    def catch_up(self) -> None:
        """Write one event for each seed and update; its step is in env steps."""
        if self._torn:  # a writer does not write after an error
            self.open()
        self._torn = True
        for rows in self._store.pages(self._position):
            self._write(rows)
            self._position = rows[-1].update if rows else self._position
        for writer in self._writers.values():
            writer.flush()
        self._torn = False

    def _write(self, rows: list[Row]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        for (update, seed, agent), group in groupby(rows, key=lambda row: row[:3]):
            values = [Summary.Value(tag=row.name, simple_value=row.value) for row in group]
            event = Event(
                wall_time=time.time(), step=update * self._steps, summary=Summary(value=values)
            )
            self._writer(seed, agent).add_event(event)

    def _writer(self, seed: int, agent: str):
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        name = f"seed_{seed}/{agent}" if agent else f"seed_{seed}"
        if name not in self._writers:
            if agent and AGENT.fullmatch(agent) is None:  # it becomes the name of a folder
                raise sqlite3.DatabaseError(f"metrics has a row of agent={agent!r}, no agent's id")
            self._writers[name] = EventFileWriter(str(self._folder / name))
        return self._writers[name]

    def close(self) -> None:
        for open_one in filter(None, (*self._writers.values(), self._store)):
            with contextlib.suppress(OSError):
                open_one.close()
