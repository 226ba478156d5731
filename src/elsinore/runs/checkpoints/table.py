"""The table of a run's checkpoints, as `elsinore checkpoints` and `Run.checkpoints` show it."""

from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.runs.checkpoints.choice import best_of
from elsinore.runs.checkpoints.directory import list_checkpoints, size_of
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import reading


def checkpoint_rows(folder: RunDir, experiment: Experiment) -> list[dict[str, Any]]:
    """A row for each checkpoint, the newest first, as `Run.checkpoints` describes them."""
    found = list_checkpoints(folder.checkpoints)
    best = best_of([each for each in found if each.kind == "best"], experiment)
    steps = _steps_per_update(folder)
    rows = []
    for each in found:
        metric = each.manifest.get("metric") or {}
        try:
            size = size_of(each)
        except FileNotFoundError:  # a run that trains has removed it meanwhile
            continue
        rows.append(
            {
                "name": each.name,
                "kind": each.kind,
                "update": each.update,
                "env_steps": each.update * steps if steps else None,
                "metric": metric.get("name"),
                "value": metric.get("value"),
                "bytes": size,
                "time": each.manifest.get("time"),
                "best": best is not None and each.path == best.path,
            }
        )
    return rows


def _steps_per_update(folder: RunDir) -> int:
    """Env steps of an update, as the store has it; 0 where it is not known."""
    if not folder.database.exists():
        return 0
    with reading(folder.database) as store:
        return store.info().get("steps_per_update", 0)
