"""A run whose folder is moved or removed while it trains ends with a message, and leaves nothing in
its place."""

import os
import shutil
import stat
from contextlib import closing

import pytest

import elsinore
from elsinore.config.load import load_experiment
from elsinore.errors import ConfigError
from elsinore.runs import conclusion, run_lock
from elsinore.runs.replays import files as replays
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_lock import FolderGone
from elsinore.runs.store.store import Store
from tests.runs.conftest import assert_same_run, train_tiny
from tests.view.drawing.scenes import replay


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


@pytest.mark.slow
@pytest.mark.parametrize("when", ["training", "the final evaluation"])
def test_the_end_of_a_run_leaves_another_of_its_name_alone(tmp_path, monkeypatch, when):
    path, others, before = tmp_path / "run", [], set()

    def replace():
        path.rename(tmp_path / "moved")
        others.append(RunDir.create(tmp_path, "run", load_experiment("CartPole-v1")))
        with closing(Store(others[0].database)) as store:
            store.describe(run_id="another", sinks_done="", steps_per_update=128)
        before.update(path.iterdir())

    @elsinore.acting
    def at_update_16(record, history):
        if when == "training" and record.update == 16:
            replace()

    def at_the_end(summary):
        replace()
        return "the result"

    monkeypatch.setattr(conclusion, "result_line", at_the_end)
    with pytest.raises(FolderGone):
        train_tiny(tmp_path, "run", {"replays.share": 0.5}, callbacks=[at_update_16])
    (other,) = others
    assert set(path.iterdir()) == before
    with closing(Store(other.database, read_only=True)) as store:
        assert store.info()["sinks_done"] == ""
    other.unlock()


def test_a_replay_makes_no_folder_in_the_place_of_a_run_that_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        replays.write(tmp_path / "gone" / "replays" / "one.npz", replay((1, 0)))
    assert not (tmp_path / "gone").exists()


def renewed(folder: RunDir, patch) -> RunDir:
    """Another run in the place of one that is moved away, whose folder seems to be the same."""
    folder.path.rename(folder.path.with_name("moved"))
    same = os.path.samestat
    patch.setattr(
        "os.path.samestat",
        lambda a, b: same(a, b) or (stat.S_ISDIR(a.st_mode) and stat.S_ISDIR(b.st_mode)),
    )
    return RunDir.create(folder.path.parent, folder.name, load_experiment("CartPole-v1"))


@pytest.mark.parametrize("network", [False, True])
def test_a_run_of_the_same_name_and_number_is_another_run(tmp_path, monkeypatch, network):
    monkeypatch.setattr(run_lock, "on_network", lambda path: network)
    folder = RunDir.create(tmp_path, "run", load_experiment("CartPole-v1"))
    folder.refuse_if_gone()
    other = renewed(folder, monkeypatch)
    other.refuse_if_gone()
    with pytest.raises(FolderGone):
        folder.refuse_if_gone()
    for each in (folder, other):
        each.unlock()


@pytest.mark.parametrize("network", [False, True])
def test_a_run_whose_lock_file_alone_was_removed_trains_on(tmp_path, monkeypatch, network):
    monkeypatch.setattr(run_lock, "on_network", lambda path: network)
    folder = RunDir.create(tmp_path, "run", load_experiment("CartPole-v1"))
    folder.lock_file.unlink()
    folder.refuse_if_gone()
    other = RunDir(folder.path)
    other.lock()
    with pytest.raises(FolderGone):
        folder.refuse_if_gone()
    for each in (folder, other):
        each.unlock()


@pytest.mark.parametrize("renewed", [False, True])
def test_a_folder_that_is_moved_while_it_is_locked_is_not_held(tmp_path, monkeypatch, renewed):
    folder = RunDir.create(tmp_path, "run", load_experiment("CartPole-v1"))
    folder.unlock()
    takes = RunDir._takes_lock

    def moved(self):
        self.path.rename(tmp_path / "moved")
        if renewed:
            self.path.mkdir()
            self.lock_file.touch()
        return takes(self)

    monkeypatch.setattr(RunDir, "_takes_lock", moved)
    with pytest.raises(ConfigError, match="run was just moved or removed; use its new place"):
        folder.lock()
    assert not RunDir(tmp_path / "moved").is_locked()


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
