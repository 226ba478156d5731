"""MLflow at the end of a run: its numbers and its status arrive whatever else fails, and the model
without a trace in what the process itself does with MLflow."""

import contextlib
import json
import math
import os
import shutil

import pytest

from elsinore.config.sinks import MLflowConfig
from elsinore.runs.sinks.mlflow_env import configure_mlflow
from elsinore.runs.sinks.mlflow_registry import register
from elsinore.runs.summary import write_json
from tests.runs.conftest import record


@pytest.fixture
def converged(tracked, store, whole):
    """The store, the summary and the policy of a run in which both seeds have converged."""
    store.write(record(4))
    summary = json.loads((whole / "summary.json").read_text())
    changed = {"stopped_by": "converged", "converged": [True, True], "env": tracked.id}
    write_json(tracked.folder.summary, summary | changed)
    shutil.copytree(whole / "policy", tracked.folder.policy)
    return tracked


def statuses(tracked) -> set[str]:
    return {run.info.status for run in tracked.runs().values()}


def models(tracked) -> list:
    return tracked.client.search_model_versions(f"name = 'elsinore-ppo-{tracked.id}'")


def test_a_model_is_registered_whatever_the_process_does_with_mlflow(converged, monkeypatch):
    configure_mlflow()
    import mlflow

    def changed(uri):
        raise AssertionError("a run of the user goes to this server from now on")

    before, named = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(converged.uri)
    mlflow.set_experiment("mine")
    try:
        with mlflow.start_run() as mine, monkeypatch.context() as patch:
            patch.setattr(mlflow, "set_tracking_uri", changed)
            converged.caught_up().close()
            assert mlflow.active_run().info.run_id == mine.info.run_id
            mlflow.log_metric("my own", 1.0)
        assert mlflow.get_run(mine.info.run_id).data.metrics == {"my own": 1.0}
    finally:
        mlflow.set_tracking_uri(before if named else None)
        mlflow.tracking.fluent._active_experiment_id = None
    (version,) = models(converged)
    assert version.run_id == converged.runs()["parent"].info.run_id
    assert version.source.endswith("/artifacts/model")
    assert statuses(converged) == {"FINISHED"}


def test_mlflow_has_the_final_evaluation_of_each_agent(tracked, store, whole):
    store.write(record(4))
    summary = json.loads((whole / "summary.json").read_text())
    summary["eval_return"]["per_agent"] = [[1.0, 2.0], [3.0, None]]
    write_json(tracked.folder.summary, summary)
    tracked.agents = ["ann", "bob"]
    tracked.caught_up().close()
    finals = {
        part: [tracked.logged(part)[f"{agent}/final/return"][0][1] for agent in tracked.agents]
        for part in ("parent", "seed_0", "seed_1")
    }
    assert finals["seed_0"] == [1.0, 2.0]
    assert finals["parent"][0] == 2.0 and finals["seed_1"][0] == 3.0
    assert math.isnan(finals["parent"][1]) and math.isnan(finals["seed_1"][1])


def test_independent_learners_that_converge_finish_and_register_no_model(converged):
    policy = converged.folder.policy
    policy.rename(policy.with_name("agent_0"))
    policy.mkdir()
    policy.with_name("agent_0").rename(policy / "agent_0")
    converged.caught_up().close()
    assert statuses(converged) == {"FINISHED"}
    assert models(converged) == []
    parent = converged.runs()["parent"].info.run_id
    (logged,) = converged.client.list_artifacts(parent, "policy")
    assert logged.path == "policy/agent_0"


@pytest.mark.slow
@pytest.mark.parametrize("refused", ["log_artifact", "log_artifacts", "create_registered_model"])
def test_what_a_server_refuses_keeps_back_neither_the_result_nor_the_status(
    converged, monkeypatch, refused
):
    sink = converged.sink(points=1)
    sink.open()
    sink.catch_up()

    def refuse(*args, **kwargs):
        raise OSError("no credentials")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no credentials"):
        patch.setattr(sink._client, refused, refuse)
        sink.close()
    assert statuses(converged) == {"FINISHED"}
    assert "final/return" in converged.logged("seed_1")
    assert "final/return" in converged.logged("parent")
    converged.caught_up().close()  # as `elsinore sync` does
    assert len(models(converged)) == 1
    assert len(converged.logged("parent")["final/return"]) == 1


def test_two_runs_may_register_the_first_model_of_a_name_together(converged, monkeypatch):
    sink = converged.caught_up()
    with contextlib.closing(sink), monkeypatch.context() as patch:
        patch.setattr(sink._client, "search_registered_models", lambda name: [])
        sink._client.create_registered_model(f"elsinore-ppo-{converged.id}")
        summary = json.loads(converged.folder.summary.read_text())
        policy = converged.folder.policy
        register(sink._client, sink._parent, MLflowConfig(), policy, summary)
    assert len(models(converged)) == 1


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "a b", "", "x" * 256])
def test_an_alias_that_mlflow_refuses_is_refused_before_a_run(alias):
    with pytest.raises(ValueError, match="alias="):
        MLflowConfig(alias=alias)
