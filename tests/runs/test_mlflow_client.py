"""MLflow's local database is whole or absent, whatever stops the process that makes it; its files
lie beside the runs."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from elsinore.config.sinks import MLflowConfig
from elsinore.runs.sinks import mlflow_client as module
from elsinore.runs.sinks.mlflow_client import mlflow_client
from elsinore.runs.sinks.mlflow_places import experiment_id, may_keep_files
from tests.runs.processes import QUIET, ROOT

KILLED = """
import os, signal, sys
from elsinore.config.sinks import MLflowConfig
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.mlflow import MLflowSink
from pathlib import Path
from sqlalchemy import Engine, event
from elsinore.runs.store.store import Store

def kill_between_tables(connection, cursor, statement, *rest):
    if "CREATE TABLE registered_models" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "after_cursor_execute", kill_between_tables)
folder = RunDir(Path(sys.argv[1]) / "run")
folder.path.mkdir(parents=True)
Store(folder.database).close()
MLflowSink(MLflowConfig(), folder, "id", {}, {0: {}}, 1).open()
"""


@pytest.mark.slow
def test_runs_reach_mlflow_in_a_folder_where_a_run_was_killed_while_the_tables_were_made(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    assert subprocess.run(command, **QUIET, env=env).returncode == -signal.SIGKILL
    client = mlflow_client(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert client.create_experiment("of the next run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "run"]


@pytest.mark.slow
def test_the_database_of_the_process_that_was_first_stays(tmp_path):
    first = tmp_path / "mlflow.db"
    first.write_bytes(b"of another process")
    module._make_database(first)
    assert first.read_bytes() == b"of another process"
    assert list(tmp_path.iterdir()) == [first]


@pytest.mark.parametrize(
    ("experiment", "folder"),
    [
        ("my experiment: 5%", "my experiment: 5%"),
        ("../../elsewhere", ".._.._elsewhere"),
        ("/tmp/elsewhere", "_tmp_elsewhere"),
        ("..", "_.."),
    ],
)
def test_the_artifacts_of_an_experiment_of_any_name_lie_beside_the_runs(
    tmp_path, experiment, folder
):
    created = []
    client = SimpleNamespace(
        get_experiment_by_name=lambda name: None,
        create_experiment=lambda *args: created.append(args),
    )
    experiment_id(client, MLflowConfig(experiment=experiment), "sqlite:///mlflow.db", tmp_path)
    assert created == [(experiment, (tmp_path / "mlartifacts" / folder).as_uri())]


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ("file://{root}/runs/mlartifacts/elsinore/7/artifacts", True),
        ("{root}/runs/mlartifacts/my%20own/7", True),
        ("https://elsewhere.example/x", False),
        ("file://elsewhere.example/{root}/runs/mlartifacts/7", False),
        ("file://{root}/runs/mlartifacts/../other/7", False),
        ("s3://bucket/x", False),
        (".", False),
    ],
)
def test_a_database_that_came_with_the_runs_sends_no_files_elsewhere(
    tmp_path, place, kept, monkeypatch
):
    place, runs_dir = place.format(root=tmp_path), tmp_path / "runs"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert may_keep_files(place, MLflowConfig(), runs_dir) is kept
    chosen = MLflowConfig(tracking_uri="sqlite:///mine.db")
    assert may_keep_files(place, chosen, runs_dir)


def test_an_experiment_that_was_deleted_is_restored(tmp_path, mlflow_uri):
    client, config = mlflow_client(mlflow_uri), MLflowConfig(experiment=tmp_path.name)
    place = experiment_id(client, config, mlflow_uri, tmp_path)
    client.delete_experiment(place)
    assert experiment_id(client, config, mlflow_uri, tmp_path) == place
    client.create_run(place)
