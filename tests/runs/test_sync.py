"""Sinks that a kill left incomplete are completed by resume and by `elsinore sync`."""

import shutil
import sys

import pytest

import elsinore
from elsinore import cli
from elsinore.config.sinks import MLflowConfig, WandbConfig
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks import mlflow, wandb
from elsinore.runs.sinks.jsonl import JSONLinesSink
from elsinore.runs.sinks.mlflow import MLflowSink
from elsinore.runs.sinks.sync import _outcome_of
from elsinore.runs.sinks.wandb import WandbSink
from elsinore.runs.store.store import Store
from tests.runs.conftest import train_tiny


def done(path) -> list[str]:
    store = Store(path / "metrics.sqlite", read_only=True)
    try:
        return store.info()["sinks_done"].split(", ")
    finally:
        store.close()


def killed_before_mlflow_is_done(runs_dir, uri: str, monkeypatch):
    """A run whose summary is there, and MLflow's part is not."""

    def gone(self):
        raise OSError("killed")

    settings = {"enabled": True, "tracking_uri": uri, "experiment": runs_dir.name}
    with monkeypatch.context() as patch:
        patch.setattr(MLflowSink, "catch_up", gone)
        patch.setattr(MLflowSink, "close", gone)
        run = train_tiny(runs_dir, "run", {f"sinks.mlflow.{k}": v for k, v in settings.items()})
    assert run.summary["stopped_by"] == "budget"
    assert done(run.path) == ["JSON lines"]
    return run.path


def resume(path) -> None:
    assert cli.main(["train", "--resume", str(path)]) == 0


def sync(path) -> None:
    assert cli.main(["sync", str(path)]) == 0


@pytest.mark.parametrize("command", [resume, sync])
def test_mlflow_of_a_finished_run_is_completed(tmp_path, mlflow_uri, monkeypatch, command):
    from mlflow import MlflowClient

    path = killed_before_mlflow_is_done(tmp_path, mlflow_uri, monkeypatch)
    client = MlflowClient(mlflow_uri)
    experiment = client.get_experiment_by_name(tmp_path.name).experiment_id

    def runs() -> dict:
        return {r.data.tags["elsinore.part"]: r.info for r in client.search_runs([experiment])}

    assert {info.status for info in runs().values()} == {"RUNNING"}
    lines = (path / "metrics.jsonl").stat().st_mtime_ns
    command(path)
    assert runs().keys() == {"parent", "seed_0", "seed_1"}
    assert {info.status for info in runs().values()} == {"FINISHED"}
    for info in runs().values():
        steps = [m.step for m in client.get_metric_history(info.run_id, "eval/return")]
        assert steps == [512 * i for i in range(1, 11)]
        assert len(client.get_metric_history(info.run_id, "final/return")) == 1
    files = {f.path for f in client.list_artifacts(runs()["parent"].run_id)}
    assert files >= {"config.yaml", "summary.json", "training_curves.png", "train.log", "policy"}
    assert done(path) == ["JSON lines", "MLflow"]
    assert (path / "metrics.jsonl").stat().st_mtime_ns == lines
    assert not RunDir(path).is_locked()

    monkeypatch.setattr(MLflowSink, "open", None)  # it would be called, and fail
    command(path)


def test_a_sink_that_fails_again_is_named_and_tried_the_next_time(tmp_path, monkeypatch, capsys):
    def full(self):
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(JSONLinesSink, "catch_up", full)
        path = train_tiny(tmp_path, "run").path
        (path / "metrics.jsonl").unlink()
        assert cli.main(["sync", str(path)]) == 1
        assert "JSON lines: OSError: No space left on device" in capsys.readouterr().out
        assert elsinore.resume(path).summary["stopped_by"] == "budget"
    assert done(path) == [""]
    sync(path)
    assert (path / "metrics.jsonl").read_text().count("\n") == 40
    sync(path)
    assert capsys.readouterr().out == "JSON lines: up to date\nall sinks are up to date\n"


def test_a_run_of_before_that_does_not_record_its_sinks_is_synced_on_request_only(
    tmp_path, monkeypatch
):
    path = train_tiny(tmp_path, "run").path
    store = Store(path / "metrics.sqlite")
    with store._db:
        store._db.execute("DELETE FROM info WHERE name = 'sinks_done'")
    store.close()
    (path / "metrics.jsonl").unlink()
    resume(path)
    assert not (path / "metrics.jsonl").exists()
    sync(path)
    assert (path / "metrics.jsonl").exists()


def test_a_number_that_was_logged_from_outside_is_brought_to_the_sinks(tmp_path, whole):
    path = tmp_path / "whole"
    shutil.copytree(whole, path)
    sync(path)
    elsinore.load(path).log("mine/score", 3.0)
    assert "mine/score" not in (path / "metrics.jsonl").read_text()
    sync(path)
    assert (path / "metrics.jsonl").read_text().count('"mine/score": 3.0') == 2
    assert done(path) == ["JSON lines"]


def test_a_folder_without_metrics_is_refused(tmp_path, capsys):
    path = train_tiny(tmp_path, "run").path
    (path / "metrics.sqlite").unlink()
    assert cli.main(["sync", str(path)]) == 2
    assert f"restore it with `elsinore repair {path}`" in capsys.readouterr().err
    assert cli.main(["repair", str(path)]) == 0
    assert cli.main(["sync", str(path)]) == 0


class FullDisk:
    """A sink that opens, and cannot write."""

    name, every, closed = "full disk", 1.0, 0

    def open(self):
        """Nothing fails yet."""

    def catch_up(self):
        raise OSError("No space left on device")

    def close(self):
        self.closed += 1


def test_a_sink_that_fails_is_closed():
    sink = FullDisk()
    assert _outcome_of(sink) == "OSError: No space left on device"
    assert sink.closed == 1


class Gone:
    """A server that answers no call."""

    def __getattr__(self, name):
        raise OSError("gone")


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_sink_that_does_not_open_or_end_leaves_no_database_open(
    store, tmp_path, monkeypatch, kind
):
    opened = set()

    class Watched(Store):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            opened.add(self)

        def close(self):
            super().close()
            opened.discard(self)

    folder = RunDir(tmp_path)
    module, sink = {
        "mlflow": (mlflow, MLflowSink(MLflowConfig(), folder, "abc", {}, {0: {}}, 64)),
        "wandb": (wandb, WandbSink(WandbConfig(), folder, "abc", {})),
    }[kind]
    monkeypatch.setattr(module, "Store", Watched)
    monkeypatch.setattr(mlflow, "opened", lambda config, runs_dir: (Gone(), "0"))
    monkeypatch.setitem(sys.modules, "wandb", Gone())
    with pytest.raises(OSError, match="gone"):
        sink.open()
    assert not opened
    sink._store, sink._client, sink._run, sink._parent = Watched(folder.database), *[Gone()] * 3
    sink._children = {}
    folder.config.write_text("")
    with pytest.raises(OSError, match="gone"):
        sink.close()
    assert not opened
