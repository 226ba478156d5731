"""The store is the truth: what was put in comes out, whole chunks only, while it is written to."""

import math
import sqlite3
import threading
from pathlib import Path

import pytest

from elsinore.runs.files import durable
from elsinore.runs.records import ChunkRecord, FinishedEpisode, Row, RunEvent
from elsinore.runs.store import store as store_module
from elsinore.runs.store.store import BrokenStore, Store
from tests.runs.conftest import record


def chunk_of(rows: list[Row], update: int = 4, env_steps: int = 256) -> ChunkRecord:
    return ChunkRecord(update, env_steps, rows, 1.7e9, 0.5, 1e5)


def test_rows_come_back_as_they_were_in_order_of_update_seed_agent_and_name(store):
    rows = [
        Row(1, 0, "", "a", 0.1),
        Row(1, 0, "", "b", 1e-300),
        Row(1, 0, "pilot", "a", -0.0),
        Row(1, 1, "", "a", 1 / 3),
        Row(2, 0, "", "a", float("inf")),
        Row(4, 0, "", "a", -float("inf")),
    ]
    store.write(chunk_of(rows[::-1]))
    assert store.rows() == rows


def test_not_a_number_comes_back_as_not_a_number_and_is_null_in_sql(store, tmp_path):
    store.write(chunk_of([Row(1, 0, "", "a", float("nan")), Row(1, 0, "", "b", 2.0)]))
    a, b = store.rows()
    assert a[:4] == (1, 0, "", "a")
    assert math.isnan(a.value)
    assert b.value == 2.0
    other = sqlite3.connect(tmp_path / "metrics.sqlite")
    assert other.execute("SELECT name FROM metrics WHERE value IS NULL").fetchall() == [("a",)]
    other.close()


def test_a_number_written_again_replaces_the_one_of_the_same_update_seed_agent_and_name(store):
    store.write(
        chunk_of([Row(1, 0, "", "a", 1.0), Row(1, 0, "pilot", "a", 2.0), Row(1, 1, "", "a", 3.0)])
    )
    store.write(chunk_of([Row(1, 0, "", "a", 10.0), Row(2, 0, "", "a", 4.0)]))
    assert [(*row[:3], row.value) for row in store.rows()] == [
        (1, 0, "", 10.0),
        (1, 0, "pilot", 2.0),
        (1, 1, "", 3.0),
        (2, 0, "", 4.0),
    ]
    assert len(store.chunks()) == 1


def test_rows_can_be_asked_for_by_name_and_from_an_update_on(store):
    for update in (4, 8, 12):
        store.write(record(update))
    assert {row.update for row in store.rows(after=4)} == {6, 8, 10, 12}
    assert {row.name for row in store.rows(names=["eval/return"])} == {"eval/return"}
    assert [row[:2] for row in store.rows(after=8, names=["eval/return"])] == [(12, 0), (12, 1)]
    assert store.rows(after=12) == []


def test_forgetting_what_came_after_an_update_leaves_all_that_came_before(store):
    for update in (4, 8, 12):
        store.write(record(update))
        store.add_event(update, "note", f"after {update}")
    before = [row for row in store.rows() if row.update <= 8]
    store.forget_after(8)
    assert store.rows() == before
    assert [chunk[0] for chunk in store.chunks()] == [4, 8]
    assert store._db.execute("SELECT text FROM events").fetchall() == [("after 4",), ("after 8",)]


def test_counters_may_go_far_beyond_32_bits(store):
    update, env_steps = 2**31 - 1, 2**31 * 1024
    store.write(chunk_of([Row(update, 2**31 - 1, "", "a", 1.0)], update, env_steps))
    assert store.rows()[0][:2] == (update, 2**31 - 1)
    assert store.chunks()[0][:2] == (update, env_steps)


def test_a_chunk_that_cannot_be_written_whole_leaves_nothing(store):
    store.write(record(4))
    before = store.rows()
    with pytest.raises(sqlite3.IntegrityError):
        # a name is needed
        store.write(chunk_of([Row(8, 0, "", "a", 1.0), Row(8, 0, "", None, 2.0)], update=8))
    assert store.rows() == before
    assert [chunk[0] for chunk in store.chunks()] == [4]


def test_a_reader_sees_whole_chunks_only_while_they_are_written(store, tmp_path):
    size, stop, seen = len(record(4).rows), threading.Event(), []

    def read():
        reader = Store(tmp_path / "metrics.sqlite", read_only=True)
        while not stop.is_set():
            seen.append(reader._db.execute("SELECT count(*) FROM metrics").fetchone()[0])
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    for update in range(4, 40_000, 4):
        store.write(record(update))
        if len(set(seen)) > 50:
            break
    stop.set()
    thread.join()
    assert len(set(seen)) > 10  # it did read in between
    assert all(count % size == 0 for count in seen)


def test_a_transaction_under_way_neither_shows_nor_keeps_a_reader_waiting(store, tmp_path):
    store.write(record(4))
    before = store.rows()
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("INSERT INTO metrics VALUES (8, 0, '', 'a', 1.0)")
    reader = Store(tmp_path / "metrics.sqlite", read_only=True)
    assert reader.rows() == before
    store._db.commit()
    assert len(reader.rows()) == len(before) + 1
    reader.close()


def test_a_reader_cannot_write(store, tmp_path):
    reader = Store(tmp_path / "metrics.sqlite", read_only=True)
    with pytest.raises(sqlite3.OperationalError):
        reader.write(record(4))
    reader.close()


def test_facts_and_rows_outlive_the_connection(tmp_path):
    first = Store(tmp_path / "metrics.sqlite")
    first.describe(run_id="one", steps_per_update=64)
    first.write(record(4))
    rows = first.rows()
    first.close()
    again = Store(tmp_path / "metrics.sqlite")
    again.describe(run_id="two")
    assert again.info() == {"format": 1, "run_id": "two", "steps_per_update": 64}
    assert again.rows() == rows
    again.close()


def test_the_covered_updates_end_before_the_first_missing_chunk(store):
    store.describe(updates_per_chunk=4, num_updates=18)
    assert store.covered() == 0
    for update in (4, 8, 16):
        store.write(record(update))
    assert store.covered() == 8
    store.write(record(12))
    assert store.covered() == 16
    store.write(record(18))
    assert store.covered() == 18
    store._db.execute("DELETE FROM chunks WHERE update_ = 4")
    assert store.covered() == 0


def test_a_store_of_before_that_does_not_name_its_chunks_is_covered_too(store):
    for update in (4, 8, 16):
        store.write(record(update))
    assert store.covered() == 8


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_a_newer_format_is_refused_and_not_touched(store, tmp_path, read_only):
    store.describe(format=2)
    store._db.execute("PRAGMA journal_mode=DELETE")
    store.close()
    before = (tmp_path / "metrics.sqlite").read_bytes()
    with pytest.raises(BrokenStore, match="has format 2, and this elsinore reads 1"):
        Store(tmp_path / "metrics.sqlite", read_only)
    assert (tmp_path / "metrics.sqlite").read_bytes() == before


def test_each_commit_waits_for_the_disk(store):
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local\\040disk ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
mine /mnt/s3 fuse.s3fs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "network"),
    [
        ("/home/me/runs", True),
        ("/home", True),
        ("/homes/runs", False),
        ("/home/local disk/runs", False),
        ("/mnt/s3/runs/a", True),
        ("/data/runs", False),
    ],
)
def test_a_file_system_of_other_machines_is_known_by_the_mount_of_a_path(path, network, tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert durable.on_network(Path(path), mounts) == network
    assert not durable.on_network(Path(path), tmp_path / "none")


def test_a_store_on_a_network_has_no_write_ahead_log(tmp_path, monkeypatch):
    for network, journal in ((True, "truncate"), (False, "wal"), (True, "truncate")):
        monkeypatch.setattr(store_module, "on_network", lambda path, found=network: found)
        store = Store(tmp_path / "metrics.sqlite")
        assert store._db.execute("PRAGMA journal_mode").fetchone() == (journal,)
        store.close()


def test_finished_episodes_are_numbered_for_each_seed_and_agent(store, tmp_path):
    episodes = [
        FinishedEpisode(2, 0, 0, "ann", 1.5, 9),
        FinishedEpisode(2, 0, 1, "bob", 2.5, 8),
        FinishedEpisode(4, 0, 2, "ann", 3.5, 7),
        FinishedEpisode(6, 1, 0, "", 4.5, 6),
    ]
    for update in (4, 6):
        rows = tuple(each for each in episodes if update - 4 < each.update <= update)
        store.write(chunk_of([], update)._replace(finished=rows))
    asked = "SELECT episode, metric_name, value FROM episode_metrics WHERE agent_id = ?"
    with sqlite3.connect(tmp_path / "metrics.sqlite") as db:
        ann = db.execute(f"{asked} AND metric_name = 'total_reward' ORDER BY episode", ("ann",))
        assert ann.fetchall() == [(0, "total_reward", 1.5), (1, "total_reward", 3.5)]
        alone = db.execute(f"{asked} AND metric_name = 'episode_length'", ("agent_0",))
        assert alone.fetchall() == [(0, "episode_length", 6)]
        store.forget_after(4)
        assert db.execute("SELECT COUNT(*) FROM finished").fetchone() == (3,)
    db.close()


def test_events_of_a_chunk_that_is_written_twice_are_there_once(store):
    """A chunk may be put again while an error is raised; those of other chunks and kinds stay."""
    store.add_event(0, "begin", "from update 0")
    for update in (4, 8, 8):
        event = RunEvent(update - 1, "promotion", f"before {update}")
        store.write(chunk_of([], update)._replace(events=(event,)))
    texts = [text for (text,) in store._db.execute("SELECT text FROM events ORDER BY rowid")]
    assert texts == ["from update 0", "before 4", "before 8"]
