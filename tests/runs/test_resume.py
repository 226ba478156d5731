"""A run that is stopped, however it is stopped, and resumed comes to what it would have come to."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.config.plan import plan_for
from elsinore.errors import RunError
from elsinore.runs import loop, session
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.failures import ended_how
from elsinore.runs.metrics import score_of
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store
from tests.nets.test_build import Own
from tests.runs.conftest import (
    TINY,
    assert_same_run,
    count_in_log,
    kept,
    learnt,
    rows_in,
    train_tiny,
)
from tests.runs.processes import (
    beginning,
    command,
    finish,
    kill,
    last_update,
    start,
    until,
    until_trained_on,
)

# nothing is saved on the way but what the test is about
NEVER = {"checkpoints.interval_seconds": 1000}


class Accident(RunError):
    """An error that is not taken for one of custom code."""


def on_call(number: int, function: Callable, error: type[BaseException] = Accident) -> Callable:
    """`function`, whose `number`-th call fails."""
    calls = []

    def wrapped(*args, **kwargs):
        calls.append(args)
        if len(calls) == number:
            raise error(f"call {number}")
        return function(*args, **kwargs)

    return wrapped


def stopped(
    runs_dir: Path, monkeypatch, holder, name: str, number: int, overrides=None, error=Accident
) -> Path:
    """A run that ended because the `number`-th call of `holder.name` failed."""
    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(holder, name, on_call(number, getattr(holder, name), error))
        train_tiny(runs_dir, "whole", {"checkpoints.interval_seconds": 0} | (overrides or {}))
    return runs_dir / "whole"


@pytest.fixture(scope="module")
def half(tmp_path_factory) -> Path:
    """A run that an accident stopped after its seventh chunk."""
    with pytest.MonkeyPatch.context() as patch:
        return stopped(tmp_path_factory.mktemp("half"), patch, CheckpointManager, "_save_due", 7)


@pytest.fixture
def path(half, tmp_path) -> Path:
    """A copy of it, to be resumed."""
    shutil.copytree(half, tmp_path / "whole")
    return tmp_path / "whole"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# Stopped by an error


def test_a_run_that_was_given_objects_is_resumed_with_them(path):
    folder = RunDir(path)
    plan = plan_for(folder.recorded())
    assert session._resumption(folder, plan) == f"elsinore train --resume {path}"
    plan = plan_for(folder.recorded(), plan.env, Own)
    assert plan.given == ("env", "network")
    said = f"elsinore.resume({str(path)!r}, env=..., network=...)"
    assert session._resumption(folder, plan) == said


def test_what_fails_leaves_an_emergency_checkpoint_and_resumed_it_equals_the_whole(
    path, whole, afresh
):
    """The programs are compiled again, as in the new process that resumes a run of a user."""
    assert not (path / "summary.json").exists()
    assert kept(path, "emergency") == {"emergency": ["0000000028"]}
    assert count_in_log(path, "training failed; the state after update 28 is saved in") == 1
    assert count_in_log(path, "resume with: elsinore train --resume") == 1
    afresh()
    resumed = elsinore.resume(path)
    assert resumed.summary["stopped_by"] == "budget"
    assert count_in_log(path, "compiling, to resume from emergency/0000000028") == 1
    assert_same_run(path, whole)


@pytest.mark.slow
def test_a_run_interrupted_while_it_saves_loses_nothing(tmp_path, whole, monkeypatch):
    path = stopped(tmp_path, monkeypatch, checkpoints, "_digests", 6, error=KeyboardInterrupt)
    elsinore.resume(path)
    assert_same_run(path, whole)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM], ids=["SIGTERM"])  # SIGINT takes the same way
def test_a_run_that_was_asked_to_stop_saves_and_says_so_and_resumed_it_equals_the_whole(
    tmp_path, whole, number
):
    def ask(record):
        if record.update == 12:
            os.kill(os.getpid(), number)

    stopped = train_tiny(tmp_path, "whole", {"checkpoints.interval_seconds": 0}, callbacks=[ask])
    assert stopped.summary["stopped_by"] == "interrupted"
    assert 12 <= stopped.summary["updates"] < 40
    assert stopped.checkpoint("latest").name == f"emergency/{stopped.summary['updates']:010d}"
    assert (
        count_in_log(stopped.path, f"{signal.Signals(number).name}: stopping after this chunk") == 1
    )
    assert elsinore.resume(stopped.path).summary["stopped_by"] == "budget"
    assert_same_run(stopped.path, whole)


def test_a_run_that_ends_in_the_chunk_in_which_it_is_asked_to_stop_is_finished(tmp_path):
    @elsinore.acting
    def ask_and_end(record, history):
        if record.update == 8:
            os.kill(os.getpid(), signal.SIGTERM)
            return elsinore.Action.stop()

    run = train_tiny(tmp_path, "ended", callbacks=[ask_and_end])
    assert (run.summary["stopped_by"], run.summary["updates"]) == ("callback", 8)
    assert run.checkpoint("latest").name == "latest/0000000008"


def test_an_error_after_a_chunk_but_before_it_is_published_loses_no_row(
    tmp_path, whole, monkeypatch
):
    path = stopped(tmp_path, monkeypatch, loop, "record_of", 4, error=KeyboardInterrupt)
    elsinore.resume(path)
    assert_same_run(path, whole)


def test_a_checkpoint_that_cannot_be_written_is_warned_of_and_training_goes_on(
    tmp_path, whole, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(CheckpointManager, "save", on_call(6, CheckpointManager.save, OSError))
        train_tiny(tmp_path, "whole", {"checkpoints.interval_seconds": 0})
    assert_same_run(tmp_path / "whole", whole)
    assert count_in_log(tmp_path / "whole", "could not be written: call 6; training continues") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [(KeyboardInterrupt, "training was interrupted"), (OSError, "training failed")],
)
def test_an_interrupted_training_is_not_called_failed(error, said):
    try:
        raise error
    except BaseException:
        assert ended_how() == said


def test_failing_at_the_emergency_checkpoint_does_not_hide_the_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", full)
        path = stopped(tmp_path, monkeypatch, CheckpointManager, "_save_due", 3, NEVER)
    assert count_in_log(path, "and the emergency checkpoint failed: OSError: no room") == 1


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(path, whole):
    shutil.rmtree(path / "checkpoints")
    elsinore.resume(path)
    assert_same_run(path, whole)


def test_a_run_that_lost_only_its_conclusion_is_concluded_alike(tmp_path, whole):
    path = tmp_path / "whole"
    shutil.copytree(whole, path)
    for name in ("summary.json", "training_curves.png", "policy/policy.json", "metrics.jsonl"):
        (path / name).unlink()
    elsinore.resume(path)
    assert_same_run(path, whole)
    assert (path / "policy" / "policy.json").read_text() == (
        whole / "policy" / "policy.json"
    ).read_text()
    assert (path / "training_curves.png").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("holder", "name", "number", "saved"),
    [(CheckpointManager, "conclude", 1, "periodic"), (loop, "record_of", 10, "emergency")],
)
def test_a_run_stopped_after_its_last_chunk_saves_what_it_had_not(
    tmp_path, monkeypatch, holder, name, number, saved
):
    monkeypatch.setattr("elsinore.config.planned_memory.LOOKAHEAD_BYTES", 0)
    settings = {"checkpoints.period": 5 if saved == "periodic" else 0, "checkpoints.best": 10}
    path = stopped(tmp_path, monkeypatch, holder, name, number, settings)
    newest = checkpoint_choice.newest(path / "checkpoints")
    assert newest.name == f"{saved}/0000000040"
    assert kept(path, "latest")["latest"][-1] == "0000000036"
    summary = elsinore.resume(path).summary
    score = np.mean([row[-1] for row in rows_in(path) if row[0] == 40 and row[3] == "eval/return"])
    last = {"name": "latest/0000000040", "env_steps": 5120, "value": score}
    assert summary["checkpoints"]["last"] == last
    assert kept(path, "best") == {"best": [f"{4 * i:010d}" for i in range(1, 11)]}


def test_a_beaten_best_that_a_kill_left_beside_the_better_ones_is_removed(tmp_path, whole):
    path, folder = tmp_path / "whole", tmp_path / "whole" / "checkpoints"
    shutil.copytree(whole, path)
    (path / "summary.json").unlink()
    checkpoints.remove_checkpoint(folder / "latest" / "0000000040")
    values = [c.manifest["metric"] for c in checkpoints.list_checkpoints(folder, ("best",))]
    worst = min(values, key=lambda metric: metric["value"])
    (beaten,) = (c for c in checkpoints.list_checkpoints(folder, ("periodic",)) if c.update == 24)
    facts = {"metric": worst | {"value": worst["value"] - 0.01}}
    checkpoints.adopt(beaten, folder, "best", facts)
    elsinore.resume(path)
    assert_same_run(path, whole)


def test_a_resumed_run_scores_its_checkpoints_to_the_last_bit_as_the_whole_one(store):
    """Seeds 1 and 2 ended an episode before seed 0 did, so that the store has their rows first."""
    name = "episode/return"
    values = {(4, 0): 0.1, (2, 1): 0.2, (2, 2): 0.3}
    rows = [Row(update, seed, "", name, value) for (update, seed), value in values.items()]
    store.write(ChunkRecord(4, 4, rows, 0.0, 0.0, 0.0))
    of_store = {row.seed: row.value for row in store.rows(names=[name])}
    assert list(of_store) == [1, 2, 0]
    assert score_of([], name, of_store) == score_of(rows, name, {})


def test_a_store_that_fails_for_a_while_loses_nothing(tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", on_call(3, Store.write))
        train_tiny(tmp_path, "whole", {"checkpoints.interval_seconds": 0})
    assert_same_run(tmp_path / "whole", whole)
    assert count_in_log(tmp_path / "whole", "metrics.sqlite failed") == 1
    assert count_in_log(tmp_path / "whole", "metrics.sqlite works again") == 1


@pytest.mark.slow
def test_nothing_is_saved_that_the_store_has_not_written(tmp_path, whole, monkeypatch):
    """Or else a resumed run, which goes on after what is saved, would never write it."""

    def broken(*_):
        raise OSError("the disk is gone")

    def accident(plan, chunk, record=loop.record_of):
        if chunk.index == 3:
            patch.setattr(Store, "write", broken)
        if chunk.index == 6:
            raise Accident
        return record(plan, chunk)

    with monkeypatch.context() as patch, pytest.raises(Accident):
        patch.setattr(loop, "record_of", accident)
        train_tiny(tmp_path, "whole", {"checkpoints.interval_seconds": 0})
    elsinore.resume(tmp_path / "whole")
    assert_same_run(tmp_path / "whole", whole)


def test_a_finished_run_is_returned_as_it_is(tmp_path, whole):
    before = {
        p: p.stat().st_mtime_ns for p in whole.rglob("*") if p.is_file() and "sqlite" not in p.name
    }
    assert elsinore.resume(whole).summary["stopped_by"] == "budget"
    assert {p: p.stat().st_mtime_ns for p in before} == before


# A checkpoint that is broken, a run that is busy


@pytest.fixture
def broken(path) -> Path:
    """A stopped run with one flipped bit in its newest checkpoint."""
    newest = checkpoint_choice.newest(path / "checkpoints")
    flip(newest.path / "state" / "_METADATA")
    return path


def test_a_broken_checkpoint_is_refused_naming_its_file_unless_falling_back_is_allowed(
    broken, whole, capsys
):
    rows = rows_in(broken)
    assert cli.main(["train", "--resume", str(broken)]) == 2
    said = capsys.readouterr().err
    assert "state/_METADATA" in said
    assert "--fall-back" in said
    assert "Traceback" not in said
    assert rows_in(broken) == rows  # nothing is touched
    assert cli.main(["train", "--resume", str(broken), "--fall-back"]) == 0
    assert_same_run(broken, whole)


def test_a_refused_run_can_be_resumed_otherwise_while_the_refusal_is_at_hand(broken):
    with pytest.raises(elsinore.ConfigError, match="_METADATA") as refused:
        elsinore.resume(broken)
    assert elsinore.resume(broken, fall_back=True).summary["stopped_by"] == "budget"
    assert refused is not None


def test_a_broken_best_is_written_anew_after_falling_back(path, whole):
    folder = path / "checkpoints"
    best = checkpoints.list_checkpoints(folder, ("best",))[0]
    for checkpoint in checkpoints.list_checkpoints(folder):
        if checkpoint.update > best.update:
            checkpoints.remove_checkpoint(checkpoint.path)
        elif checkpoint.update == best.update:
            flip(checkpoint.path / "state" / "_METADATA")
    assert [c for c in checkpoints.list_checkpoints(folder) if c.update < best.update]
    elsinore.resume(path, fall_back=True)
    assert_same_run(path, whole)
    for checkpoint in checkpoints.list_checkpoints(folder, ("best",)):
        checkpoints.verify(checkpoint)


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_run_that_another_process_trains_is_refused(path, capsys):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        before = rows_in(path)
        assert cli.main(["train", "--resume", str(path)]) == 2
        assert "is being trained by another process" in capsys.readouterr().err
        assert rows_in(path) == before
    finally:
        holder.communicate("")
    assert not RunDir.open(path).is_locked()


def test_another_config_is_refused_naming_the_setting(path, capsys):
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("gamma: 0.98", "gamma: 0.97"))
    assert cli.main(["train", "--resume", str(path)]) == 2
    assert "algo.gamma 0.98, 0.97" in capsys.readouterr().err


# MLflow


@pytest.mark.slow
def test_a_resumed_run_goes_on_in_mlflow_where_it_was(tmp_path, monkeypatch, mlflow_uri):
    from mlflow import MlflowClient

    experiment = tmp_path.name
    overrides = {"enabled": True, "tracking_uri": mlflow_uri, "experiment": experiment}
    overrides = (
        {f"sinks.mlflow.{k}": v for k, v in overrides.items()} | NEVER | {"checkpoints.period": 2}
    )
    # no emergency checkpoint: MLflow has more than is saved
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_emergency", lambda *_: None)
        path = stopped(tmp_path, monkeypatch, CheckpointManager, "_save_due", 7, overrides)
    client = MlflowClient(mlflow_uri)
    experiment = client.get_experiment_by_name(experiment).experiment_id

    def runs():
        return {r.data.tags["elsinore.part"]: r for r in client.search_runs([experiment])}

    before = runs()
    assert before["parent"].info.status == "FAILED"
    assert [
        m.step for m in client.get_metric_history(before["parent"].info.run_id, "eval/return")
    ] == [512 * i for i in range(1, 8)]
    elsinore.resume(path)
    after = runs()
    assert len(client.search_runs([experiment])) == 3
    assert {k: r.info.run_id for k, r in after.items()} == {
        k: r.info.run_id for k, r in before.items()
    }
    for each in after.values():
        assert each.info.status == "FINISHED"
        for name in {"eval/return", "loss/value", "steps_per_second"} & set(each.data.metrics):
            history = client.get_metric_history(each.info.run_id, name)
            assert [m.step for m in history] == [512 * i for i in range(1, 11)], name


# The whole promise, with real processes


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_killed_ten_times_at_random_moments_equals_the_one_never_killed(tmp_path):
    period = 4
    settings = TINY | {
        "env_steps": 128 * period * 100,  # a hundred chunks
        "checkpoints.interval_seconds": 0,
        "checkpoints.period": 7,
        "sinks.tensorboard": True,
    }
    finish(beginning(tmp_path, "whole", settings))
    whole, path = tmp_path / "whole", tmp_path / "killed"
    draw = random.Random(7)
    while_starting = set(draw.sample(range(10), 2))
    kills, while_training = 0, 0
    for i in range(10):
        chunks = 0 if i in while_starting else draw.randint(0, 8)
        process = start(
            command("--resume", str(path))
            if path.exists()
            else beginning(tmp_path, "killed", settings),
            held=last_update(path) // period + chunks + 4,
        )
        try:
            if i in while_starting:
                time.sleep(draw.uniform(0.3, 5.0))
            else:
                assert until_trained_on(path, period * chunks, process)
                time.sleep(draw.uniform(0.0, 0.15))
                while_training += process.poll() is None
        finally:
            kills += kill(process)
    assert not (path / "summary.json").exists(), "it ended before all kills were done"
    assert kills == 10
    assert while_training >= 7
    reached = last_update(path)
    assert 0 < reached < 400
    finish(command("--resume", str(path)))
    assert learnt(path)["params_sha256"] == learnt(whole)["params_sha256"]
    assert_same_run(path, whole)
    assert not list((path / "checkpoints").glob("*/.*"))
    assert len(rows_in(path)) > 3000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_killed_while_its_large_state_is_written_behind_equals_the_one_never_killed(tmp_path):
    settings = {
        "env_steps": 20_000,
        "algo.buffer_size": 500_000,  # 42 MB of two seeds, written in a thread
        "evaluation.period": 8,
        "evaluation.episodes": 2,
        "evaluation.final_episodes": 2,
        "checkpoints.interval_seconds": 0,
        "sinks.mlflow.enabled": False,
        "sinks.tensorboard": False,
    }

    def begun(name: str) -> list[str]:
        return [*beginning(tmp_path, name, settings), "--algo", "dqn"]

    finish(begun("whole"))
    whole, path = tmp_path / "whole", tmp_path / "killed"
    unfinished = 0
    for i in range(4):
        process = start(command("--resume", str(path)) if path.exists() else begun("killed"))
        try:
            until_trained_on(path, 16 + 8 * i, process)
            until(lambda: any(path.glob("checkpoints/*/.unfinished-*")), process)
        finally:
            assert kill(process), "it ended before it was killed"
        unfinished += any(path.glob("checkpoints/*/.unfinished-*"))
    assert unfinished
    finish(command("--resume", str(path)))
    assert learnt(path)["params_sha256"] == learnt(whole)["params_sha256"]
    assert_same_run(path, whole)
