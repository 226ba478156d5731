"""A sweep in MLflow: one parent run, and per trial a child run with settings, score and curve."""

import logging
import time
from collections import defaultdict
from typing import Any

import numpy as np

from elsinore.analysis.sweep.results import TrialResult
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.config.search import Sweep
from elsinore.runs.redaction import redacted
from elsinore.runs.sinks.mlflow import MAX_BATCH, experiment_id, log_files, tracking_uri
from elsinore.runs.sinks.mlflow_client import mlflow_client
from elsinore.runs.sinks.mlflow_names import with_tag
from elsinore.runs.store import reading

log = logging.getLogger("elsinore")
BEGUN = "elsinore.begun"  # the tag of the time at which sweep.yaml was written, in nanoseconds


def log_to_mlflow(
    folder: SweepDir, sweep: Sweep, results: list[TrialResult], summary: dict[str, Any]
) -> None:
    """Log trials that MLflow does not have yet; a failure of MLflow is only a warning."""
    if not sweep.experiment.sinks.mlflow.enabled:
        return
    try:
        _SweepLogger(folder, sweep).log(results, summary)
    except Exception as error:
        log.warning(
            "MLflow failed: %s: %s (the files of the sweep are complete)",
            type(error).__name__,
            " ".join(str(error).split())[:300],
        )


class _SweepLogger:
    def __init__(self, folder: SweepDir, sweep: Sweep):
        config = sweep.experiment.sinks.mlflow
        self._folder, self._sweep, self._tag = folder, sweep, str(folder.path.resolve())
        runs_dir = folder.path.parent
        uri = tracking_uri(config, runs_dir)
        self._client = mlflow_client(uri)
        self._experiment = experiment_id(self._client, config, uri, runs_dir)
        mine = with_tag("elsinore.sweep", self._tag)
        known = self._client.search_runs([self._experiment], mine, max_results=50_000)
        # a new sweep in an old one's place has runs of its own
        self._begun = str(folder.config.stat().st_mtime_ns)
        own = [run for run in known if run.data.tags.get(BEGUN, self._begun) == self._begun]
        self._known = {run.data.tags["elsinore.part"]: run.info for run in own}

    def log(self, results: list[TrialResult], summary: dict[str, Any]) -> None:
        parent = self._run("parent", self._folder.name, {}, {"sampler": self._sweep.config.sampler})
        curves: dict[str, dict[int, list[tuple[int, float]]]] = {}
        for result in results:
            part = f"trial_{result.trial}"
            if part in self._known and self._known[part].status in ("FINISHED", "FAILED"):
                continue
            run = self._run(
                part, f"{self._folder.name}/{part}", {"mlflow.parentRunId": parent}, result.settings
            )
            if result.replicas and result.group not in curves:
                curves[result.group] = self._curves_of(result.group)
            self._send(run, result, curves.get(result.group, {}))
            self._client.set_terminated(run, "FAILED" if result.state == "failed" else "FINISHED")
        if summary["best"] is not None:
            self._client.log_metric(parent, "best", summary["best"]["mean"])
        folder = self._folder
        log_files(
            self._client,
            parent,
            folder.config,
            folder.trials,
            folder.summary,
            folder.best,
            folder.coordinates,
            folder.importance,
        )
        self._client.set_terminated(parent)

    def _run(self, part: str, name: str, tags: dict[str, str], params: dict[str, Any]) -> str:
        from mlflow.entities import Param

        if part in self._known:
            return self._known[part].run_id
        tags = {"elsinore.sweep": self._tag, BEGUN: self._begun, "elsinore.part": part, **tags}
        run = self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id
        values = redacted(params).items()
        self._client.log_batch(run, params=[Param(k, str(v)[:6000]) for k, v in values])
        return run

    def _send(
        self, run: str, result: TrialResult, curves: dict[int, list[tuple[int, float]]]
    ) -> None:
        from mlflow.entities import Metric

        at: dict[int, list[float]] = defaultdict(list)
        for replica in result.replicas:
            for env_steps, value in curves.get(replica, []):
                at[env_steps].append(value)
        now = int(time.time() * 1000)
        curve, points = sorted(at.items()), self._sweep.experiment.sinks.mlflow.points
        span = max(-(-len(curve) // points), 1)  # evaluations of a value
        metrics = []
        for i in range(0, len(curve), span):
            values = [value for _, found in curve[i : i + span] for value in found]
            last = curve[i : i + span][-1][0]
            metrics.append(Metric("eval/return", float(np.mean(values)), now, last))
        if result.score is not None:
            metrics.append(Metric("score", result.score, now, result.env_steps))
        for i in range(0, len(metrics), MAX_BATCH):
            self._client.log_batch(run, metrics=metrics[i : i + MAX_BATCH])
        self._client.set_tag(run, "state", result.state)

    def _curves_of(self, group: str) -> dict[int, list[tuple[int, float]]]:
        """Evaluations of each replica, (env steps, return)."""
        curves = defaultdict(list)
        with reading(self._folder.groups / group / "metrics.sqlite") as store:
            steps = store.steps_per_update()
            for row in store.rows(names=["eval/return"], agent=""):
                curves[row.seed].append((row.update * steps, row.value))
        return curves
