"""A search in MLflow: one parent run, one child a trial with its settings, its score and its curve."""

import logging
import os
import time
from collections import defaultdict
from typing import Any

import numpy as np

from elsinore.config.sweep import Sweep
from elsinore.host.sinks.mlflow import BATCH, tracking_uri
from elsinore.host.store import Store
from elsinore.host.sweep.folder import SweepFolder
from elsinore.host.sweep.results import Result

log = logging.getLogger("elsinore")


def tell_mlflow(folder: SweepFolder, sweep: Sweep, results: list[Result], summary: dict[str, Any]) -> None:
    """What MLflow has not been told yet. Its failures are reported, and stop nothing."""
    if not sweep.experiment.sinks.mlflow.enabled:
        return
    try:
        _Teller(folder, sweep).tell(results, summary)
    except Exception as error:
        log.warning("MLflow failed: %s: %s (the sweep's own files are complete)", type(error).__name__,
                    " ".join(str(error).split())[:300])  # fmt: skip


class _Teller:
    def __init__(self, folder: SweepFolder, sweep: Sweep):
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        from mlflow import MlflowClient

        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.ERROR)
        config = sweep.experiment.sinks.mlflow
        self._folder, self._sweep, self._tag = folder, sweep, str(folder.path.resolve())
        uri = tracking_uri(config, folder)
        self._client = MlflowClient(uri)
        found = self._client.get_experiment_by_name(config.experiment)
        here = (folder.path.parent / "mlartifacts" / config.experiment).resolve().as_uri()
        place = here if uri.startswith("sqlite:") else None  # a server decides for itself
        self._experiment = found.experiment_id if found else self._client.create_experiment(config.experiment, place)
        known = self._client.search_runs(
            [self._experiment], f"tags.`elsinore.sweep` = '{self._tag}'", max_results=50_000
        )
        self._known = {run.data.tags["elsinore.part"]: run.info for run in known}

    def tell(self, results: list[Result], summary: dict[str, Any]) -> None:
        parent = self._run("parent", self._folder.name, {}, {"sampler": self._sweep.config.sampler})
        curves: dict[str, dict[int, list[tuple[int, float]]]] = {}
        for result in results:
            part = f"trial_{result.trial}"
            if part in self._known and self._known[part].status in ("FINISHED", "FAILED"):
                continue
            run = self._run(part, f"{self._folder.name}/{part}", {"mlflow.parentRunId": parent}, result.settings)
            if result.replicas and result.group not in curves:
                curves[result.group] = self._curves_of(result.group)
            self._send(run, result, curves.get(result.group, {}))
            self._client.set_terminated(run, "FAILED" if result.state == "failed" else "FINISHED")
        if summary["best"] is not None:
            self._client.log_metric(parent, "best", summary["best"]["mean"])
        for path in (self._folder.config, self._folder.trials, self._folder.summary, self._folder.best,
                     self._folder.coordinates, self._folder.importance):  # fmt: skip
            if path.exists():
                self._client.log_artifact(parent, str(path))
        self._client.set_terminated(parent)

    def _run(self, part: str, name: str, tags: dict[str, str], params: dict[str, Any]) -> str:
        from mlflow.entities import Param

        if part in self._known:
            return self._known[part].run_id
        tags = {"elsinore.sweep": self._tag, "elsinore.part": part, **tags}
        run = self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id
        self._client.log_batch(run, params=[Param(k, str(v)[:6000]) for k, v in params.items()])
        return run

    def _send(self, run: str, result: Result, curves: dict[int, list[tuple[int, float]]]) -> None:
        from mlflow.entities import Metric

        at: dict[int, list[float]] = defaultdict(list)
        for replica in result.replicas:
            for env_steps, value in curves.get(replica, []):
                at[env_steps].append(value)
        now = int(time.time() * 1000)
        metrics = [Metric("eval/return", float(np.mean(values)), now, steps) for steps, values in sorted(at.items())]
        if result.score is not None:
            metrics.append(Metric("score", result.score, now, result.env_steps))
        for i in range(0, len(metrics), BATCH):
            self._client.log_batch(run, metrics=metrics[i : i + BATCH])
        self._client.set_tag(run, "state", result.state)

    def _curves_of(self, group: str) -> dict[int, list[tuple[int, float]]]:
        """Each replica's evaluations, (env steps, return)."""
        store = Store(self._folder.groups / group / "metrics.sqlite", read_only=True)
        steps, curves = int(store.info()["steps_per_update"]), defaultdict(list)
        for row in store.rows(names=["eval/return"], agent=""):
            curves[row.seed].append((row.update * steps, row.value))
        store.close()
        return curves
