"""A sweep in MLflow: one parent run, and per trial a child run with settings, score and curve."""

import time
from collections import defaultdict
from typing import Any

import numpy as np

from elsinore.analysis.sweep.results import TrialResult
from elsinore.analysis.sweep.sweep_dir import SweepDir
from elsinore.config.search import Sweep
from elsinore.runs.curves.values import mean_of, values_by_seed
from elsinore.runs.records import Row
from elsinore.runs.sinks.mlflow import MAX_BATCH, log_files
from elsinore.runs.sinks.mlflow_client import only_warned
from elsinore.runs.sinks.mlflow_names import parameters, with_tag
from elsinore.runs.sinks.mlflow_places import may_keep_files, opened
from elsinore.runs.store.store import reading
from elsinore.runs.trust.redaction import redacted

STATE = "state"  # the tag of how a trial ended
BEGUN = "elsinore.begun"  # the tag of the time at which sweep.yaml was written, in nanoseconds


def log_to_mlflow(
    folder: SweepDir, sweep: Sweep, results: list[TrialResult], summary: dict[str, Any]
) -> None:
    """Log trials that MLflow does not have yet; a failure of MLflow is only a warning."""
    if not sweep.experiment.sinks.mlflow.enabled:
        return
    with only_warned("the files of the sweep are complete"):
        _SweepLogger(folder, sweep).log(results, summary)


class _SweepLogger:
    def __init__(self, folder: SweepDir, sweep: Sweep):
        config = sweep.experiment.sinks.mlflow
        self._folder, self._sweep, self._tag = folder, sweep, str(folder.path.resolve())
        self._client, self._experiment = opened(config, folder.path.parent)
        mine = with_tag("elsinore.sweep", self._tag)
        known = self._client.search_runs([self._experiment], mine, max_results=50_000)
        # a new sweep in an old one's place has runs of its own
        self._begun = str(folder.config.stat().st_mtime_ns)
        own = [run for run in known if run.data.tags.get(BEGUN, self._begun) == self._begun]
        self._known = {run.data.tags["elsinore.part"]: run for run in own}

    def log(self, results: list[TrialResult], summary: dict[str, Any]) -> None:
        parent = self._run("parent", self._folder.name, {}, {"sampler": self._sweep.config.sampler})
        curves: dict[str, dict[int, list[Row]]] = {}
        for result in results:
            part = f"trial_{result.trial}"
            if self._has(part, result):
                continue
            run = self._run(
                part, f"{self._folder.name}/{part}", {"mlflow.parentRunId": parent}, result.settings
            )
            if result.replicas and result.group not in curves:
                curves[result.group] = self._curves_of(result.group)
            self._send(run, result, self._curve(result, curves.get(result.group, {})))
            self._client.set_terminated(run, "FAILED" if result.state == "failed" else "FINISHED")
        if summary["best"] is not None:
            self._client.log_metric(parent, "best", summary["best"]["mean"])
        folder, place = self._folder, self._client.get_run(parent).info.artifact_uri
        files = folder.config, folder.trials, folder.summary, folder.best
        if may_keep_files(place, self._sweep.experiment.sinks.mlflow, folder.path.parent):
            log_files(self._client, parent, *files, folder.coordinates, folder.importance)
        self._client.set_terminated(parent)

    def _has(self, part: str, result: TrialResult) -> bool:
        """True where the whole of the trial's result is there; one that failed may have been
        trained again since."""
        run = self._known.get(part)
        if run is None or run.info.status not in ("FINISHED", "FAILED"):
            return False
        return run.data.tags.get(STATE) == result.state

    def _run(self, part: str, name: str, tags: dict[str, str], params: dict[str, Any]) -> str:
        from mlflow.entities import Param

        if part in self._known:
            return self._known[part].info.run_id
        tags = {"elsinore.sweep": self._tag, BEGUN: self._begun, "elsinore.part": part, **tags}
        run = self._client.create_run(self._experiment, tags=tags, run_name=name).info.run_id
        texts = parameters(redacted(params))
        self._client.log_batch(run, params=[Param(*each) for each in texts.items()])
        return run

    def _send(self, run: str, result: TrialResult, points: list[tuple[int, float]]) -> None:
        """Send the curve and the score, but for what a logging that was cut short had sent."""
        from mlflow.entities import Metric

        now, score = int(time.time() * 1000), result.score
        values = [("eval/return", value, env_steps) for env_steps, value in points]
        values += [] if score is None else [("score", score, result.env_steps)]
        logged = {
            (name, metric.step)
            for name in ("eval/return", "score")
            for metric in self._client.get_metric_history(run, name)
        }
        new = [Metric(n, x, now, step) for n, x, step in values if (n, step) not in logged]
        for i in range(0, len(new), MAX_BATCH):
            self._client.log_batch(run, metrics=new[i : i + MAX_BATCH])
        self._client.set_tag(run, STATE, result.state)

    def _curve(self, result: TrialResult, curves: dict[int, list[Row]]) -> list[tuple[int, float]]:
        """(env steps, mean over seeds) of the trial's evaluations: of spans of them, where they are
        more than the config's points. A seed that has stopped keeps its last."""
        own = [row for replica in result.replicas for row in curves.get(replica, ())]
        updates, values = values_by_seed(own, "eval/return")
        means, points = mean_of(values), self._sweep.experiment.sinks.mlflow.points
        span = max(-(-len(updates) // points), 1)  # evaluations of a value
        spans = [slice(i, i + span) for i in range(0, len(updates), span)]
        return [(int(updates[at][-1]), float(np.mean(means[at]))) for at in spans]

    def _curves_of(self, group: str) -> dict[int, list[Row]]:
        """Evaluations of each replica, with env steps in the place of updates."""
        curves = defaultdict(list)
        with reading(self._folder.groups / group / "metrics.sqlite") as store:
            steps = store.steps_per_update()
            for row in store.rows(names=["eval/return"], agent=""):
                curves[row.seed].append(row._replace(update=row.update * steps))
        return curves
