"""TensorBoard event files, written without TensorFlow: one folder for each seed."""

import shutil
import sqlite3
import time
from itertools import groupby
from typing import Any

from elsinore.config.agents import NAME as AGENT
from elsinore.runs.records import Row
from elsinore.runs.sinks.rewritten import RewrittenSink


class TensorBoardSink(RewrittenSink):
    name = "TensorBoard"

    def _begin(self) -> dict[str, Any]:
        shutil.rmtree(self._target, ignore_errors=True)
        self._target.mkdir(parents=True)
        return {}

    def _write(self, rows: list[Row]) -> None:
        """Write one event for each seed and update; its step is in env steps."""
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
        if name not in self._files:
            if agent and AGENT.fullmatch(agent) is None:  # it becomes the name of a folder
                raise sqlite3.DatabaseError(f"metrics has a row of agent={agent!r}, no agent's id")
            self._files[name] = EventFileWriter(str(self._target / name))
        return self._files[name]
