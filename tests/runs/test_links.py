"""Links and names in the folder of a run that was copied from elsewhere lead no writing out of it,
and nothing of this machine into what is sent."""

import contextlib
import os
import sqlite3
from types import SimpleNamespace

import pytest

from elsinore.config.sinks import MLflowConfig, WandbConfig
from elsinore.errors import ConfigError
from elsinore.runs.curves.run_curves import draw_run
from elsinore.runs.export.jax_function import write_jax
from elsinore.runs.profile import PhaseTimes
from elsinore.runs.records import Row
from elsinore.runs.remote_copy import Copy
from elsinore.runs.replays import files as replays
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import logging_to
from elsinore.runs.sinks.jsonl import JSONLinesSink
from elsinore.runs.sinks.mlflow import MLflowSink
from elsinore.runs.sinks.tensorboard import TensorBoardSink
from elsinore.runs.sinks.wandb import WandbSink
from elsinore.runs.store.repair import restore_store, state_of
from elsinore.runs.store.store import Store
from elsinore.runs.summary import write_json
from tests.runs.conftest import STEPS, record
from tests.runs.test_policy import policy_of_a_dictionary
from tests.runs.test_replays import a_replay


@pytest.fixture
def folder(tmp_path):
    """A run's folder with one chunk."""
    folder = RunDir(tmp_path / "run")
    folder.path.mkdir()
    folder.config.write_text("env: CartPole-v1\nalgo: {name: ppo}\n")
    with contextlib.closing(Store(folder.database)) as store:
        store.describe(run_id="1", steps_per_update=STEPS, num_updates=4, updates_per_chunk=4)
        store.write(record(4))
    return folder


def a_profile(run: RunDir) -> PhaseTimes:
    times = PhaseTimes()
    times.folder = run.path
    return times


def write_lines(run: RunDir) -> None:
    sink = JSONLinesSink(run.jsonl, run.database, STEPS)
    sink.open()
    sink.close()


WRITING = {
    ".summary.json.unfinished": lambda run: write_json(run.summary, {}),
    ".config.yaml.unfinished": lambda run: run.rewrite(run.recorded()),
    ".training_curves.png.unfinished": lambda run: draw_run(
        run, SimpleNamespace(experiment=run.recorded()), "budget"
    ),
    ".metrics.sqlite.unfinished": lambda run: restore_store(run, state_of(run.database), {}, []),
    ".metrics.sqlite.copy": lambda run: Copy(run.path, f"file://{run.path.parent}/copies").send(),
    "metrics.jsonl": write_lines,
    ".unfinished-one.npz-{pid}": lambda run: replays.write(run.path / "one.npz", a_replay()),
    "policy.json": lambda run: write_jax(policy_of_a_dictionary(), run.path, {"env": "own"}),
    "policy.jaxexport": lambda run: write_jax(policy_of_a_dictionary(), run.path, {"env": "own"}),
    "profile.json": lambda run: a_profile(run).finish(),
}


@pytest.mark.parametrize("place", ["logs", "logs/train.log"])
def test_a_log_is_not_written_through_a_link(folder, tmp_path, place):
    mine = tmp_path / "mine"
    mine.mkdir() if place == "logs" else mine.write_text("mine")
    (folder.path / place).parent.mkdir(exist_ok=True)
    (folder.path / place).symlink_to(mine)
    with (
        pytest.raises(ConfigError, match="no file of the run; remove what is in its place"),
        logging_to(folder.log),
    ):
        pass
    assert list(mine.iterdir()) == [] if place == "logs" else mine.read_text() == "mine"


@pytest.mark.parametrize("name", WRITING)
def test_a_link_in_the_place_of_a_file_that_is_begun_goes(folder, tmp_path, name):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    link = folder.path / name.format(pid=os.getpid())
    link.symlink_to(mine)
    WRITING[name](folder)
    assert mine.read_text() == "mine"
    assert not link.is_symlink()


@pytest.mark.parametrize("agent", ["../../../escaped", "/tmp/escaped", "..", "a/b"])
def test_an_agent_whose_name_is_a_path_gets_no_folder(folder, tmp_path, agent):
    with contextlib.closing(Store(folder.database)) as store:
        store.write(record(8)._replace(rows=[Row(8, 0, agent, "eval/return", 1.0)]))
    sink = TensorBoardSink(folder.path / "tensorboard", folder.database, STEPS)
    sink.open()
    with pytest.raises(sqlite3.DatabaseError, match="no agent's id"):
        sink.catch_up()
    sink.close()
    assert list(tmp_path.iterdir()) == [folder.path]
    assert [path.name for path in (folder.path / "tensorboard").iterdir()] == ["seed_0", "seed_1"]


def names_sent(folder: RunDir) -> set[str]:
    """The files and folders that MLflow and W&B are given of a run."""
    sent = []
    client = SimpleNamespace(
        log_text=lambda run, text, name: sent.append(name),
        log_artifact=lambda run, path: sent.append(os.path.basename(path)),
        log_artifacts=lambda run, path, name: sent.append(name),
        set_terminated=lambda run, status: None,
    )
    to_mlflow = MLflowSink(MLflowConfig(), folder, "1", {}, {0: {}}, STEPS)
    to_mlflow._client, to_mlflow._parent, to_mlflow._children = client, "parent", {}
    to_wandb = WandbSink(WandbConfig(), folder, "1", {})
    to_wandb._run = SimpleNamespace(
        log_artifact=lambda path, name, type: sent.append(name), finish=lambda exit_code: None
    )
    for sink in (to_mlflow, to_wandb):
        sink._store = Store(folder.database, read_only=True)
        sink.close()
    return set(sent)


SENT = {
    "config.yaml": {"config.yaml"},
    "training_curves.png": {"training_curves.png"},
    "logs": {"train.log"},
    "policy": {"policy", "policy-1"},
    "policy/policy.json": {"policy", "policy-1"},
}


@pytest.mark.parametrize("name", SENT)
def test_nothing_that_a_link_leads_to_is_sent(folder, tmp_path, name, caplog):
    for made in ("config.yaml", "training_curves.png", "logs/train.log", "policy/policy.json"):
        (folder.path / made).parent.mkdir(exist_ok=True)
        (folder.path / made).write_text("x: 1")
    whole = names_sent(folder)
    assert whole == set.union(*SENT.values())
    assert not caplog.records
    (folder.path / name).rename(tmp_path / "elsewhere")
    (folder.path / name).symlink_to(tmp_path / "elsewhere")
    assert names_sent(folder) == whole - SENT[name]
    assert "is not sent: it is or holds a link" in caplog.text
