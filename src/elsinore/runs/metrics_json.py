"""metrics.json: all metrics of a run, with its config and its summary, in one file.

    {"run", "config", "summary", "metrics": {name: {series: {"env_steps": [...], "value": [...]}}}}

A series is named by its seed, `"3"`, or its seed and agent, `"3/agent_0"`. A number that is
not finite, also of the config, is null.
"""

import json
from pathlib import Path
from typing import Any

from elsinore.config.parse import as_dict
from elsinore.runs.files.plain_json import plain
from elsinore.runs.files.whole_file import whole_file
from elsinore.runs.run import Run
from elsinore.runs.store.store import reading
from elsinore.runs.trust.redaction import redacted


def write_metrics(run: Run, path: Path) -> None:
    """Write metrics.json.

    Raises:
        ConfigError: if the file cannot be written, or metrics.sqlite cannot be used.
    """
    text = json.dumps(plain(metrics_of(run)), indent=1, allow_nan=False)
    with whole_file(path) as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8")


def metrics_of(run: Run) -> dict[str, Any]:
    """The contents of metrics.json; a run without chunks has no metrics."""
    return {
        "run": run.name,
        "config": redacted(as_dict(run.experiment)),
        "summary": run.summary,
        "metrics": _series(run.path / "metrics.sqlite"),
    }


def _series(database: Path) -> dict[str, dict[str, dict[str, list]]]:
    if not database.exists():
        return {}
    with reading(database) as store:
        rows, steps = store.rows(), store.info().get("steps_per_update", 0)
    found: dict[str, dict[str, dict[str, list]]] = {}
    for row in rows:
        of = f"{row.seed}/{row.agent}" if row.agent else str(row.seed)
        series = found.setdefault(row.name, {}).setdefault(of, {"env_steps": [], "value": []})
        series["env_steps"].append(row.update * steps)
        series["value"].append(row.value)
    return found
