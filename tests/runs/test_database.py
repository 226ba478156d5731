"""A run's metrics are read at any path, and on a disk that cannot be written."""

import shutil
import sqlite3

import pytest

from elsinore.runs.database import open_read_only
from elsinore.runs.store import Store
from tests.read_only import read_only_copy
from tests.runs.conftest import record


@pytest.fixture
def run(tmp_path):
    """A folder with a store of one chunk."""
    folder = tmp_path / "run"
    folder.mkdir()
    store = Store(folder / "metrics.sqlite")
    store.write(record(4))
    store.close()
    return folder


def rows_in(folder):
    store = Store(folder / "metrics.sqlite", read_only=True)
    try:
        return store.rows()
    finally:
        store.close()


@pytest.mark.parametrize("name", ["exp#1", "a?b", "a?mode=rwc", "50%25", "100%", "a&b;c d"])
def test_a_path_may_have_characters_that_mean_something_in_a_url(run, name):
    moved = run.rename(run.with_name(name))
    assert rows_in(moved) == sorted(record(4).rows)
    assert [path.name for path in moved.parent.iterdir()] == [name]


def test_what_is_not_there_is_not_made_by_reading(tmp_path):
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        open_read_only(tmp_path / "a?b" / "metrics.sqlite")
    assert not list(tmp_path.iterdir())


def test_a_run_in_a_folder_that_cannot_be_written_is_read(run):
    with read_only_copy(run) as copy:
        assert rows_in(copy) == sorted(record(4).rows)


def test_the_write_ahead_log_of_a_copy_that_cannot_be_written_is_read(run):
    writer = Store(run / "metrics.sqlite")
    writer.write(record(8))  # in the log only
    copied = run.with_name("copied")
    copied.mkdir()
    for ending in ("", "-wal"):
        shutil.copy(run / f"metrics.sqlite{ending}", copied)
    expected = writer.rows()
    writer.close()
    with read_only_copy(copied) as copy:
        assert rows_in(copy) == expected
