"""Sinks report how the last session of a run ended, whatever summary is there from before it."""

import json

import pytest

import elsinore
from elsinore.errors import RunError
from elsinore.runs import session as session_module
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import NotBegun, OutOfTime
from elsinore.runs.sinks.session_end import end_of, forget_interruption, note_end
from elsinore.runs.store.store import reading
from tests.runs.conftest import record, train_tiny


@pytest.mark.parametrize(
    ("stopped_by", "ended", "end"),
    [
        (None, "", "failed"),  # killed
        (None, "interrupted", "interrupted"),
        (None, "failed", "failed"),
        ("interrupted", "", "interrupted"),
        ("interrupted", "failed", "failed"),
        ("budget", "", "finished"),
        ("converged", "interrupted", "finished"),  # while its sinks were closed
    ],
)
def test_the_end_is_that_of_the_last_session(stopped_by, ended, end):
    assert end_of({"stopped_by": stopped_by} if stopped_by else {}, {"ended": ended}) == end


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError, "FAILED"),
        (KeyboardInterrupt, "KILLED"),
        (OutOfTime, "KILLED"),
        (NotBegun, "KILLED"),
    ],
)
def test_mlflow_has_the_end_of_a_session_without_a_summary(tracked, store, error, status):
    store.write(record(4))
    sink = tracked.caught_up()
    note_end(tracked.folder.database, error())
    sink.close()
    assert {run.info.status for run in tracked.runs().values()} == {status}


def test_the_summary_of_an_interrupted_run_is_gone_once_it_trains_on(tmp_path, whole):
    folder = RunDir(tmp_path)
    summary = json.loads((whole / "summary.json").read_text())
    for how, stays in (("budget", True), ("interrupted", False)):
        folder.summary.write_text(json.dumps(summary | {"stopped_by": how}))
        forget_interruption(folder)
        assert folder.summary.exists() == stays
    forget_interruption(folder)


@pytest.mark.slow
def test_a_run_that_fails_after_it_was_interrupted_is_noted_as_failed(tmp_path, monkeypatch, whole):
    def interrupted(*args):
        raise KeyboardInterrupt

    def failing(*args):
        raise ValueError("a fault")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(session_module, "train_loop", interrupted)
        train_tiny(tmp_path, "run")
    path = tmp_path / "run"
    with reading(path / "metrics.sqlite") as store:
        assert store.info()["ended"] == "interrupted"
    before = json.loads((whole / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps(before | {"stopped_by": "interrupted"}))
    with monkeypatch.context() as patch, pytest.raises(RunError, match="a fault"):
        patch.setattr(session_module, "train_loop", failing)
        elsinore.resume(path)
    assert not (path / "summary.json").exists()
    with reading(path / "metrics.sqlite") as store:
        assert store.info()["ended"] == "failed"
    elsinore.resume(path)
    with reading(path / "metrics.sqlite") as store:
        assert store.info()["ended"] == ""
