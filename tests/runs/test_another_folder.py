"""A run that is given by a relative path stays the same run when the current folder changes."""

import os
import shutil

import numpy as np
import pytest

import elsinore
from elsinore import cli
from elsinore.errors import quoted, shown, span
from tests.runs.conftest import TINY


@pytest.fixture
def elsewhere(whole, tmp_path, monkeypatch):
    """The tiny run, loaded by its name from the folder that it is in, used from another one."""
    monkeypatch.chdir(whole.parent)
    run = elsinore.load(whole.name, runs_dir=".")
    monkeypatch.chdir(tmp_path)
    return run


def test_a_loaded_run_is_the_same_from_another_folder(elsewhere, whole):
    run = elsewhere
    assert len(run.metrics) == len(elsinore.load(whole).metrics) > 0
    assert "finished" in repr(run)
    assert run.policy()(np.zeros(4)).shape == ()
    assert elsinore.resume(run).path == run.path


def test_a_run_trains_on_where_it_began_though_the_current_folder_changes(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    run = elsinore.train(
        "CartPole-v1",
        overrides=TINY,
        name="mine",
        runs_dir="runs",
        callbacks=[lambda record: os.chdir(tmp_path / "other")],
    )
    assert run.summary["stopped_by"] == "budget" and len(run.metrics)
    assert not any((tmp_path / "other").iterdir())
    assert run.path == tmp_path / "runs" / "mine"


def test_a_message_names_a_path_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "runs" / "a") == shown("runs/a") == "runs/a"
    assert quoted(tmp_path / "a b") == "'a b'"
    assert shown(tmp_path.parent) == str(tmp_path.parent)
    assert shown(tmp_path.parent / f"{tmp_path.name}2") == f"{tmp_path}2"


def test_what_is_exported_is_named_from_the_current_folder(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, tmp_path / "runs" / "mine")
    assert cli.main(["export", "mine", "--format", "json"]) == 0
    assert capsys.readouterr().out == "exported: runs/mine/metrics.json\n"


def test_the_seeds_of_a_message_are_one_or_from_first_to_last():
    assert [span(range(3, 4)), span(range(3, 5))] == ["3", "3 to 4"]
