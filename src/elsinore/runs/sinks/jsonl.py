"""metrics.jsonl: one line for each seed and update, for tools that read lines."""

import json
import math
from itertools import groupby
from typing import Any

from elsinore.runs.files.durable import new_file
from elsinore.runs.records import Row
from elsinore.runs.sinks.rewritten import RewrittenSink


class JSONLinesSink(RewrittenSink):
    name = "JSON lines"

    def _begin(self) -> dict[str, Any]:
        return {"lines": new_file(self._target).open("w", encoding="utf-8")}

    def _write(self, rows: list[Row]) -> None:
        for (update, seed, agent), group in groupby(rows, key=lambda row: row[:3]):
            line = {"update": update, "env_steps": update * self._steps, "seed": seed}
            line |= {"agent": agent} if agent else {}
            line |= {row.name: row.value if math.isfinite(row.value) else None for row in group}
            self._files["lines"].write(json.dumps(line) + "\n")
