"""A run whose folder is moved or removed while it trains ends with a message, and leaves nothing in
its place."""

import shutil

import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_lock import FolderGone
from tests.runs.conftest import assert_same_run, train_tiny


def test_a_run_that_is_moved_while_it_trains_ends_and_goes_on_where_it_is_now(tmp_path, caplog):
    path, moved = tmp_path / "run", tmp_path / "moved"

    @elsinore.acting
    def move(record, history):
        if record.update >= 16 and path.exists():
            path.rename(moved)

    saving = {"checkpoints.interval_seconds": 0}
    with pytest.raises(FolderGone, match=f"^{path} was moved or removed while the run trained"):
        train_tiny(tmp_path, "run", saving, callbacks=[move])
    assert not path.exists()
    assert "resume with" not in caplog.text
    assert_same_run(elsinore.resume(moved).path, train_tiny(tmp_path, "whole", saving).path)


def test_a_run_that_was_removed_is_not_written_into_another_of_its_name(tmp_path):
    experiment = load_experiment("CartPole-v1")
    folder = RunDir.create(tmp_path, "run", experiment)
    folder.refuse_if_gone()
    shutil.rmtree(folder.path)
    with pytest.raises(FolderGone):
        folder.refuse_if_gone()
    other = RunDir.create(tmp_path, "run", experiment)
    other.refuse_if_gone()
    with pytest.raises(FolderGone):
        folder.refuse_if_gone()
    for each in (folder, other):
        each.unlock()
