"""Everything that a run leaves and that no clock is in, so that two runs can be compared."""

import json
import os
from pathlib import Path
from typing import Any

from benchmarks.bits import CLOCKS

HAS_CLOCKS = ("steps_per_second",)  # a metric of MLflow alone


def left_behind(folder: Path) -> dict[str, Any]:
    """What all runs below a folder left, and the folder itself, by place."""
    runs = sorted(path.parent for path in folder.rglob("metrics.sqlite"))
    found = {run.relative_to(folder).as_posix(): of_run(run) for run in runs}
    whole = [folder / name for name in ("trials.csv", "best.yaml", "report.html")]
    top = {path.name: path.read_text() for path in whole[:2] if path.exists()}
    top["report"] = whole[2].exists()
    if folder not in runs:
        top["summary"] = summary_of(folder)
    return {"all": top} | found


def of_run(run: Path) -> dict[str, Any]:
    """Parameters, metrics, checkpoints and sinks of one run."""
    from elsinore.runs.store.store import Store
    from tests.runs.conftest import chunk_ends, kept, rows_in

    store = Store(run / "metrics.sqlite", read_only=True)
    info = store.info()
    store.close()
    lines = (run / "metrics.jsonl").read_text() if (run / "metrics.jsonl").exists() else None
    summary = summary_of(run)
    return {
        "parameters": summary.get("params_sha256"),
        "summary": summary,
        "rows": rows_in(run),
        "chunks": chunk_ends(run),
        "checkpoints": kept(run, "best", "periodic"),
        "JSON lines": lines,
        "TensorBoard": in_tensorboard(run / "tensorboard"),
        "MLflow": in_mlflow(info["run_id"]),
        "sinks that are done": set(filter(None, (info.get("sinks_done") or "").split(", "))),
        "files": sorted(path.name for path in run.iterdir() if not path.name.startswith(".")),
    }


def summary_of(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    return {name: value for name, value in found.items() if name not in CLOCKS}


def in_tensorboard(folder: Path) -> dict[str, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in sorted({file.parent for file in folder.rglob("events.*")}):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0}).Reload()
        found[path.relative_to(folder).as_posix()] = {
            tag: [(event.step, repr(event.value)) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
    return found


def in_mlflow(run_id: str) -> dict[str, Any]:
    """Parameters, metrics, status and artifacts of each part of a run in MLFLOW_TRACKING_URI."""
    from mlflow import MlflowClient

    client, found = MlflowClient(os.environ["MLFLOW_TRACKING_URI"]), {}
    experiment = client.get_experiment_by_name("elsinore")
    if experiment is None:
        return {}
    runs = client.search_runs([experiment.experiment_id], f"tags.`elsinore.run` = '{run_id}'")
    for run in runs:
        part = run.data.tags["elsinore.part"]
        metrics = {
            name: [
                (metric.step, None if name in HAS_CLOCKS else repr(metric.value))
                for metric in client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        }
        files = sorted(file.path for file in client.list_artifacts(run.info.run_id))
        twice = "twice, " if part in found else ""
        found[twice + part] = (dict(run.data.params), metrics, run.info.status, files)
    return found


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The places where two differ, each with its part."""
    if found.keys() != expected.keys():
        return [f"runs: {sorted(found)}, expected {sorted(expected)}"]
    return [
        f"{place}: {part}"
        for place, parts in expected.items()
        for part in parts.keys() | found[place].keys()
        if parts.get(part) != found[place].get(part)
    ]
