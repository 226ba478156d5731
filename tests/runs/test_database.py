"""A run's metrics are read at any path, on a disk that cannot be written, and only as tables."""

import contextlib
import shutil
import sqlite3
import subprocess

import pytest

from elsinore.runs.store.database import open_read_only
from elsinore.runs.store.store import BrokenStore, Store
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


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_on_a_full_disk_is_read(run, tiny_disk, killed):
    writer = Store(run / "metrics.sqlite")
    writer.write(record(8))  # in the write-ahead log until the writer closes
    expected = writer.rows()
    if not killed:
        writer.close()
    subprocess.run(["mount", "-o", "remount,size=256k", tiny_disk], check=True)
    for path in run.glob("metrics.sqlite*"):
        shutil.copy(path, tiny_disk)
    (tiny_disk / "metrics.sqlite-shm").unlink(missing_ok=True)
    writer.close()
    with pytest.raises(OSError, match="No space left"), (tiny_disk / "other").open("wb", 0) as file:
        while file.write(bytes(4096)):
            pass
    assert rows_in(tiny_disk) == expected


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


# A stranger's schema

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
COMPUTED = {
    "chunks is a view": f"DROP TABLE chunks; CREATE VIEW chunks AS {ENDLESS} SELECT x FROM c",
    "INFO is a view": f"DROP TABLE info; CREATE VIEW INFO AS {ENDLESS} SELECT x, x AS value FROM c",
    "metrics.slow is computed": (
        "ALTER TABLE metrics ADD COLUMN slow AS (length(replace(hex(zeroblob(1e8)), '0', 'ab')))"
    ),
    "info is a virtual": "DROP TABLE info; CREATE VIRTUAL TABLE info USING rtree(a, b, c)",
    "more is a trigger": (
        "CREATE TRIGGER more AFTER INSERT ON info BEGIN INSERT INTO events SELECT x, x, '', ''"
        f" FROM ({ENDLESS} SELECT x FROM c); END"
    ),
    "chunks has a check": (
        "DROP TABLE chunks; CREATE TABLE chunks (update_ INTEGER PRIMARY KEY, env_steps INTEGER,"
        " finished_at REAL, seconds REAL, steps_per_second REAL"
        " CHECK (length(hex(zeroblob(4e8 + update_ * 0))) > 0))"
    ),
    "slow is an index of an expression": (
        "CREATE INDEX slow ON events (length(hex(zeroblob(4e8 + update_ * 0))))"
    ),
    "few is an index of some rows": (
        "CREATE INDEX few ON events (kind) WHERE length(hex(zeroblob(update_))) > 0"
    ),
    "chunks has other columns": "DROP TABLE chunks; CREATE TABLE chunks (update_, seconds)",
}


def alter(run, script):
    with sqlite3.connect(run / "metrics.sqlite") as db:
        db.executescript(script)
    db.close()


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("why", COMPUTED)
def test_a_table_that_is_computed_is_refused_and_nothing_is_asked_of_it(run, why, read_only):
    alter(run, f"DROP VIEW episodes; DROP VIEW episode_metrics; {COMPUTED[why]}")
    with pytest.raises(sqlite3.DatabaseError, match=why):
        Store(run / "metrics.sqlite", read_only)


def test_an_index_of_columns_is_its_users(run):
    alter(run, "CREATE INDEX by_name ON metrics (name)")
    with contextlib.closing(Store(run / "metrics.sqlite", read_only=True)) as store:
        assert store.rows()


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_of_another_format_is_named_by_it_whatever_its_columns(run, read_only):
    alter(run, COMPUTED["chunks has other columns"])
    alter(run, "UPDATE info SET value = 2 WHERE name = 'format'")
    with pytest.raises(BrokenStore, match="has format 2, and this elsinore reads 1"):
        Store(run / "metrics.sqlite", read_only)


def test_a_view_that_feigns_to_be_a_table_is_refused(run):
    with sqlite3.connect(run / "metrics.sqlite") as db:
        db.executescript(COMPUTED["chunks is a view"])
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET type = 'table' WHERE name = 'chunks'")
    db.close()
    with pytest.raises(sqlite3.DatabaseError, match="chunks"):
        Store(run / "metrics.sqlite", read_only=True)


def test_a_trigger_that_feigns_to_be_a_table_is_refused(run):
    with sqlite3.connect(run / "metrics.sqlite") as db:
        db.executescript(COMPUTED["more is a trigger"])
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET type = 'table' WHERE name = 'more'")
    db.close()
    with pytest.raises(sqlite3.DatabaseError, match="more"):
        Store(run / "metrics.sqlite")


def test_a_query_ends_at_the_deadline(run):
    db = open_read_only(run / "metrics.sqlite", seconds=0.2)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        db.execute(f"{ENDLESS} SELECT max(x) FROM c").fetchone()
    db.close()
