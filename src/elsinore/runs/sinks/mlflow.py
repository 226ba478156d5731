"""MLflow: one parent run with the means over seeds (of a population those of its best member), a
child run for each seed, and a registered model.

A value costs MLflow about 0.1 ms and 290 bytes, and the store 0.002 ms and 33 bytes. So MLflow gets
the mean of each metric over a chunk, or over a span of several: at most `sinks.mlflow.points` of
each metric in a run of any length. The store has every value. Importing MLflow and creating its
database take seconds, so all of this happens in a background thread.
"""

import contextlib
import logging
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.sinks import MLflowConfig
from elsinore.errors import on_error
from elsinore.runs.files.plain_files import may_be_sent
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.mlflow_names import parameters, valid_name, with_tag
from elsinore.runs.sinks.mlflow_places import may_keep_files, opened
from elsinore.runs.sinks.mlflow_registry import is_model, register
from elsinore.runs.sinks.seed_means import StoredSeedMeans, by_metric
from elsinore.runs.sinks.session_end import end_of
from elsinore.runs.store.store import BrokenStore, Store, reading
from elsinore.runs.summary import finals_of_seeds, means_of_finals, read_summary
from elsinore.runs.trust.redaction import redacted

MAX_BATCH = 1000  # values in one request, the server's limit
log = logging.getLogger("elsinore")
FOLDER = "elsinore.folder"  # the tag of the folder that a run is logged from
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
SPANS_AT_ONCE = 50  # whose values are held in memory


class MLflowSink:
    name = "MLflow"
    every = 15.0

    def __init__(
        self,
        config: MLflowConfig,
        folder: RunDir,
        run_id: str,
        facts: dict[str, Any],
        replicas: Mapping[int, dict[str, Any]],
        steps_per_update: int,
        agents: Sequence[str] = (),
    ):
        self._config, self._folder, self._run_id, self._facts = config, folder, run_id, facts
        self._replicas, self._steps, self._agents = replicas, steps_per_update, agents
        self._takes_files = True  # unless MLflow would keep them at a place of another's choice

    def open(self) -> None:
        """Find the MLflow runs of this run, or create them."""
        self._store = Store(self._folder.database, read_only=True)
        with on_error(self._store.close):  # after which this is tried again
            self._begin()

    def _begin(self) -> None:
        runs_dir, name = self._folder.runs_dir, self._folder.name_in_runs_dir
        self._means = StoredSeedMeans(self._store)
        self._client, self._experiment = opened(self._config, runs_dir)
        known = self._client.search_runs(
            [self._experiment], with_tag("elsinore.run", self._run_id), max_results=5000
        )
        own = [run for run in known if not self._is_of_a_copy(run.data.tags.get(FOLDER))]
        runs = {run.data.tags["elsinore.part"]: run for run in own}
        self._parent = self._found_or_begun(runs, "parent", name, {}, {})
        place = self._client.get_run(self._parent).info.artifact_uri
        self._takes_files = may_keep_files(place, self._config, runs_dir)
        of_parent = {"mlflow.parentRunId": self._parent}
        self._children = {
            seed: self._found_or_begun(
                runs, f"seed_{seed}", f"{name}/seed_{seed}", of_parent, own_facts
            )
            for seed, own_facts in self._replicas.items()
        }
        self._logged = {
            run: self._last_steps(run) for run in (self._parent, *self._children.values())
        }
        self._find_spans()
        for run in self._logged:
            self._client.update_run(run, status="RUNNING")
        for name, text in (words_of(self._facts) | lineage_tags(self._facts)).items():
            self._client.set_tag(self._parent, name, text)

    def _found_or_begun(
        self,
        runs: dict[str, Any],
        part: str,
        name: str,
        tags: dict[str, str],
        own_facts: dict[str, Any],
    ) -> str:
        """The MLflow run of a part, with all its parameters: a process may have been killed before
        it had logged them. `own_facts` are those in which it differs from the run as a whole."""
        from mlflow.entities import Param

        found, folder = runs.get(part), str(self._folder.path.resolve())
        if found is None:
            own = {"elsinore.run": self._run_id, "elsinore.part": part, "mlflow.runName": name}
            own[FOLDER] = folder
            found = self._client.create_run(self._experiment, tags=own | tags, run_name=name)
        run, logged = found.info.run_id, found.data.params
        if found.data.tags.get(FOLDER) != folder:  # it was moved
            self._client.set_tag(run, FOLDER, folder)
        params = parameters(self._facts | own_facts)
        missing = [Param(name, text) for name, text in params.items() if name not in logged]
        self._client.log_batch(run, params=missing)
        return run

    def _is_of_a_copy(self, folder: str | None) -> bool:
        """True where another folder, from which an MLflow run was logged, still holds this run: one
        of the two is a copy, which has MLflow runs of its own. A folder that was moved is gone."""
        try:
            if folder is None or os.path.samefile(folder, self._folder.path):
                return False
            with reading(RunDir(Path(folder)).database) as store:
                return store.info().get("run_id") == self._run_id
        except (OSError, BrokenStore):
            return False

    def _last_steps(self, run: str) -> dict[str, int]:
        """The last env step in MLflow for each metric; a chunk may have been sent in part."""
        names = self._client.get_run(run).data.metrics
        return {
            name: max(m.step for m in self._client.get_metric_history(run, name)) for name in names
        }

    def _find_spans(self) -> None:
        """The updates of a span, a multiple of those of a chunk, and those that MLflow has: the
        newest span is read again, since a number may have been logged into it from outside."""
        info = self._store.info()
        chunk, self._num_updates = (
            int(info.get(name) or 1) for name in ("updates_per_chunk", "num_updates")
        )
        chunks = -(-self._num_updates // chunk)
        self._span = chunk * -(-chunks // self._config.points)
        last = min(min(logged.values(), default=0) for logged in self._logged.values())
        self._sent = max(last // self._steps - 1, 0) // self._span * self._span

    def catch_up(self) -> None:
        """Send each new span's means: to each seed's run, and over seeds to the parent run."""
        self._send_spans()

    def _send_spans(self, ended: bool = False) -> None:
        """Send the spans that are whole; of a run that has `ended` also the last, shorter one."""
        new = groupby(self._store.chunks(self._sent), key=lambda chunk: -(-chunk[0] // self._span))
        spans = [list(chunks) for _, chunks in new]
        if spans and not (ended or self._is_whole(spans[-1])):
            spans.pop()
        for i in range(0, len(spans), SPANS_AT_ONCE):
            pending: dict[str, list[tuple]] = defaultdict(list)
            sent = self._sent
            for span in spans[i : i + SPANS_AT_ONCE]:
                self._add_means(span, sent, pending)
                sent = span[-1][0]
            for run in (*self._children.values(), self._parent):
                self._send(run, pending[run])
            self._sent = sent

    def _is_whole(self, span: list[tuple]) -> bool:
        return span[-1][0] % self._span == 0 or span[-1][0] == self._num_updates

    def _add_means(self, span: list[tuple], after: int, pending: dict[str, list[tuple]]) -> None:
        """Add a span's means, whose rows are those later than the update `after`."""
        update, env_steps, finished_at, _, _ = span[-1]
        means_over_seeds = self._means.at(update)
        over_seeds = {"steps_per_second": float(np.mean([chunk[4] for chunk in span]))}
        for name, means in by_metric(self._store.rows(after, until=update)).items():
            for seed, mean in means.items():
                pending[self._children[seed]].append((name, mean, finished_at, env_steps))
            if (mean := means_over_seeds.of(name, means)) is not None:
                over_seeds[name] = mean
        for name, mean in over_seeds.items():
            pending[self._parent].append((name, mean, finished_at, env_steps))

    def _send(self, run: str, values: list[tuple]) -> None:
        from mlflow.entities import Metric

        logged = self._logged[run]
        new = [
            Metric(name, value, int(at * 1000), step)
            for name, value, at, step in ((valid_name(name), *rest) for name, *rest in values)
            if step > logged.get(name, -1)
        ]
        for i in range(0, len(new), MAX_BATCH):
            self._client.log_batch(run, metrics=new[i : i + MAX_BATCH])
            logged.update({metric.key: metric.step for metric in new[i : i + MAX_BATCH]})

    def close(self) -> None:
        """Log the run's files and final metrics, register a model if a seed has converged, and set
        the status."""
        with contextlib.closing(self._store):
            self._finish()

    def _finish(self) -> None:
        """Send the numbers first, and set the status whatever fails: a server that takes numbers
        may refuse files. A failure is raised at the end, so that `elsinore sync` tries again."""
        summary = read_summary(self._folder.summary)
        try:
            self._send_results(summary)
            try:
                if self._takes_files:
                    self._log_files()
            finally:
                if self._takes_files:
                    self._log_policy(summary)
        finally:
            self._set_status(summary)

    def _send_results(self, summary: dict[str, Any]) -> None:
        if not summary:
            return
        self._client.set_tag(self._parent, "stopped_by", summary["stopped_by"])
        if summary["stopped_by"] == "interrupted":
            return
        self._send_spans(ended=True)
        self._send_finals(self._parent, means_of_finals(summary, self._agents), summary)
        for run, found in zip(
            self._children.values(), finals_of_seeds(summary, self._agents), strict=True
        ):
            self._send_finals(run, found, summary)

    def _send_finals(
        self, run: str, finals: Mapping[str, float | None], summary: dict[str, Any]
    ) -> None:
        at, nan = (time.time(), summary["env_steps"]), float("nan")
        self._send(run, [(name, nan if x is None else x, *at) for name, x in finals.items()])

    def _log_files(self) -> None:
        folder = self._folder
        files = folder.config, folder.curves, folder.summary, folder.log
        own = [path for path in files if may_be_sent(path, folder.path)]
        log_files(self._client, self._parent, *own)

    def _log_policy(self, summary: dict[str, Any]) -> None:
        """Log the policy, and register it if a seed has converged."""
        config, policy = self._config, self._folder.policy
        if not may_be_sent(policy, self._folder.path):
            return
        self._client.log_artifacts(self._parent, str(policy), "policy")
        if config.register and any(summary.get("converged", [])) and is_model(policy):
            register(self._client, self._parent, config, policy, summary)

    def _set_status(self, summary: dict[str, Any]) -> None:
        status = STATUS[end_of(summary, self._store.info())]
        for run in (*self._children.values(), self._parent):
            self._client.set_terminated(run, status)


def words_of(facts: dict[str, Any]) -> dict[str, str]:
    """The description and the tags of a run; `facts` are its settings by dotted name."""
    words = {"mlflow.note.content": facts.get("description", "")}
    words["elsinore.tags"] = ", ".join(facts.get("tags", ()))
    return {name: text for name, text in words.items() if text}


def lineage_tags(facts: dict[str, Any]) -> dict[str, str]:
    """The tags of a run that begins from another one, or was lengthened; `facts` are its settings
    by dotted name."""
    tags = {}
    if "start.run" in facts:
        tags["elsinore.from"] = f"{facts['start.run']}@{facts['start.checkpoint']}"
        tags["elsinore.from_parts"] = facts["start.parts"]
    if facts.get("earlier_env_steps"):
        budgets = [*facts["earlier_env_steps"], facts["env_steps"]]
        tags["elsinore.env_steps"] = " -> ".join(map(str, budgets))  # parameters cannot change
    return tags


def log_files(client: Any, run: str, *paths: Path) -> None:
    """Log the files that exist as artifacts, the secrets in configs and logs masked."""
    for path in paths:
        if path.suffix in (".yaml", ".log") and path.exists():
            client.log_text(
                run, redacted(path.read_text(errors="replace", encoding="utf-8")), path.name
            )
        elif path.exists():
            client.log_artifact(run, str(path))
