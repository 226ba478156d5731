"""SIGTERM and SIGHUP end a run within its grace, its checkpoint first."""

import math
import os
import shutil
import signal
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest

import elsinore
from elsinore import cli
from elsinore.config.load import load_experiment
from elsinore.config.plan import plan_for
from elsinore.jaxtools import processes
from elsinore.runs.run_dir import RunDir
from elsinore.runs.session import run_session
from elsinore.runs.signals import NotBegun, OutOfTime, Stop, refuse_if_late
from tests.runs.conftest import TINY, assert_same_run, count_in_log, kept, train_tiny
from tests.runs.processes import QUIET, beginning, until_trained_on

SAVE_ALWAYS = {"checkpoints.interval_seconds": 0}


@pytest.fixture(autouse=True)
def hangup_is_heard():
    """`nohup` has SIGHUP ignored, also by these tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def stop_after(update: int, number: int):
    def ask(record):
        if record.update == update:
            os.kill(os.getpid(), number)

    return [ask]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_without_time_the_checkpoint_is_saved_and_the_evaluation_is_left_out(
    tmp_path, whole, number
):
    with pytest.raises(OutOfTime):
        train_tiny(tmp_path, "whole", SAVE_ALWAYS, callbacks=stop_after(12, number), grace=0.0)
    path = tmp_path / "whole"
    assert not (path / "summary.json").exists()
    (name,) = kept(path, "emergency")["emergency"]
    assert 12 <= int(name) < 40
    assert (
        count_in_log(path, "the final evaluation is left out: 0 s are left after the signal") == 1
    )
    assert elsinore.resume(path).summary["stopped_by"] == "budget"
    assert_same_run(path, whole)


def test_with_time_a_hangup_is_evaluated_like_any_stop(tmp_path, whole):
    stopped = train_tiny(
        tmp_path, "whole", SAVE_ALWAYS, callbacks=stop_after(12, signal.SIGHUP), grace=1000.0
    )
    assert stopped.summary["stopped_by"] == "interrupted"
    assert (stopped.path / "policy").exists()
    elsinore.resume(stopped.path)
    assert_same_run(stopped.path, whole)


def test_a_signal_does_not_wait_for_the_initial_states(tmp_path):
    def init():  # as long as an imitation
        os.kill(os.getpid(), signal.SIGTERM)
        ended.wait(30)
        return ()

    ended, experiment = threading.Event(), load_experiment("CartPole-v1", overrides=TINY)
    folder = RunDir.create(tmp_path, "run", experiment)
    programs = SimpleNamespace(chunk_bytes=0, seconds=0.0, init=init)
    began = time.monotonic()
    try:
        with pytest.raises(NotBegun):
            run_session(folder, plan_for(experiment), None, (), lambda plan, layout: programs)
        assert time.monotonic() - began < 20
    finally:
        ended.set()
    assert not folder.is_locked() and not any(folder.checkpoints.glob("*/*"))


def test_the_command_line_gives_the_grace_and_ends_with_130(tmp_path, monkeypatch, capsys):
    def out_of_time(*_, grace, **__):
        assert grace == 2.5
        raise OutOfTime

    monkeypatch.setattr(elsinore.runs.api, "train", out_of_time)
    assert cli.main(["train", "--grace", "2.5", "--runs-dir", str(tmp_path)]) == 130
    assert cli.main(["train", "--grace", "-1", "--runs-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "elsinore: --grace -1 must be at least 0 seconds.\n"
    assert cli.main(["train", "--grace", "nan", "--runs-dir", str(tmp_path)]) == 2


def test_a_step_that_takes_more_than_half_of_the_time_left_is_left_out(caplog):
    stop = Stop()
    refuse_if_late(stop, 1e9)  # no deadline
    stop.hurry(time.monotonic() + 100.0)
    refuse_if_late(stop, 10.0)
    with pytest.raises(OutOfTime):
        refuse_if_late(stop, 60.0)
    left = "100 s are left after the signal, and it may take 60 s; a longer --grace gives more"
    assert left in caplog.text


def test_a_process_that_alone_has_a_deadline_compares_it_with_what_the_first_one_knows(monkeypatch):
    stop, limits = Stop(), []

    def agreed(value, what, limit):
        limits.append(limit)
        return 60.0

    monkeypatch.setattr(processes, "agreed", agreed)
    stop.hurry(time.monotonic() + 100.0)
    with pytest.raises(OutOfTime):
        refuse_if_late(stop, math.nan)
    assert limits == [processes.COMPILING]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_ends_within_its_grace_with_every_sink(tmp_path, number):
    sinks = {"sinks.tensorboard": True, "sinks.mlflow.enabled": True}
    settings = TINY | SAVE_ALWAYS | {"env_steps": 1_000_000} | sinks
    args = [*beginning(tmp_path, "run", settings), "--grace", "20"]
    process = subprocess.Popen(args, **QUIET, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    path = tmp_path / "run"
    try:
        assert until_trained_on(path, 8, process)
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=40) == 130
        assert time.monotonic() - began < 25  # with the end of the interpreter, on a busy machine
        assert len(kept(path, "emergency")["emergency"]) == 1
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nohup") is None, reason="needs nohup")
def test_a_hangup_under_nohup_changes_nothing(tmp_path):
    settings = TINY | {"env_steps": 128 * 4 * 100}
    process = subprocess.Popen(["nohup", *beginning(tmp_path, "run", settings)], **QUIET)
    try:
        assert until_trained_on(tmp_path / "run", 4, process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
        process.wait()
