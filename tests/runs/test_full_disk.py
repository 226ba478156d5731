"""A run whose disk is full goes on while its metrics fit into memory, or stops: in one message,
with nothing lost."""

import dataclasses
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import elsinore
from elsinore.runs import run_workers
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints import manager as checkpoint_manager
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.signals import Stop
from elsinore.runs.store.store import Store, StoreBehind
from elsinore.runs.store.waits import StoreWaits, refuse_if_stuck
from elsinore.runs.workers import BackgroundWorker
from elsinore.training.schedule import Schedule
from tests.runs.conftest import TINY, assert_same_run, chunk_ends, count_in_log, train_tiny
from tests.runs.processes import beginning

SAVE_ALWAYS = {"checkpoints.interval_seconds": 0}


def full(error: str = "database or disk is full", code: int = sqlite3.SQLITE_FULL) -> Exception:
    found = sqlite3.OperationalError(error)
    found.sqlite_errorcode = code
    return found


def full_from(update: int, patch, error: Exception | None = None) -> None:
    """The disk is full when this chunk comes, and stays so."""
    write = Store.write

    def fails(self, record):
        if record.update >= update:
            raise error or full()
        write(self, record)

    patch.setattr(Store, "write", fails)
    patch.setattr(checkpoint_manager, "LAST_WAIT", 0.1)


def assert_nothing_is_lost(path: Path, whole: Path) -> None:
    assert not (path / "summary.json").exists()
    newest = checkpoints.list_checkpoints(path / "checkpoints")
    assert all(found.update <= chunk_ends(path)[-1][0] for found in newest)
    assert elsinore.resume(path).summary["stopped_by"] == "budget"
    # only best and periodic checkpoints may differ: those that were due meanwhile are left out
    assert_same_run(path, whole)


def test_a_run_that_is_to_stop_on_a_full_disk_stops_at_once(tmp_path, whole, monkeypatch):
    text = "metrics.sqlite cannot be written: the disk is full; free some space"
    with monkeypatch.context() as patch, pytest.raises(StoreBehind, match=text):
        full_from(12, patch)
        settings = SAVE_ALWAYS | {"on_full_disk": "stop", "env_steps": 5120}
        train_tiny(tmp_path, "whole", settings)
    path = tmp_path / "whole"
    assert count_in_log(path, "metrics.sqlite failed") == 1
    assert count_in_log(path, "is not written") <= 2  # of chunk 12, and the emergency's
    assert chunk_ends(path)[-1][0] == 8
    assert_nothing_is_lost(path, whole)


def test_a_run_goes_on_until_no_more_metrics_fit_into_memory(tmp_path, whole, monkeypatch):
    text = "5 chunks wait for it, as many as are held in memory"
    with monkeypatch.context() as patch, pytest.raises(StoreBehind, match=text):
        full_from(8, patch)
        rows = len(train_tiny(tmp_path, "counted", {"env_steps": 512}).metrics)
        capacity = run_workers.IN_MEMORY | {"capacity": 4 * (rows + 1) + 1}
        patch.setattr(run_workers, "IN_MEMORY", capacity)
        train_tiny(tmp_path, "whole", SAVE_ALWAYS)
    path = tmp_path / "whole"
    assert count_in_log(path, "metrics.sqlite failed") == 1
    assert count_in_log(path, "its oldest are dropped") == 0
    assert_nothing_is_lost(path, whole)


def test_a_store_that_is_locked_is_no_full_disk(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(StoreBehind, match="lacks chunks up to"):
        full_from(12, patch, full("database is locked", sqlite3.SQLITE_BUSY))
        train_tiny(tmp_path, "whole", {"on_full_disk": "stop"})


def test_training_waits_once_for_a_store_that_cannot_be_written(tmp_path, caplog):
    caplog.set_level("INFO", "elsinore")
    waits, works = [], [False]

    def flush(timeout, patient=False):
        waits.append(timeout)
        return works[0]

    manager = CheckpointManager(
        tmp_path, elsinore.Experiment(), flush=flush, store_works=lambda: works[0]
    )
    manager.save = lambda *_: tmp_path
    for chunk in range(4):
        works[0] = chunk == 3
        manager._try_to_save("latest", chunk, {}, 0.0)
    manager._try_to_save("latest", 5, {}, 0.0)
    assert waits == [30.0, 0.0, 0.0, 0.0, 30.0]
    assert caplog.text.count("is not written") == 1
    assert caplog.text.count("checkpoints can be written again") == 1


@pytest.mark.parametrize("seconds, first", [(60.0, 60.0), (0.0, 5.0)])
def test_a_store_that_is_slow_is_waited_for_at_each_save_and_at_the_end(seconds, first, caplog):
    waits, stop = [], Stop()

    def flush(timeout, patient=False):
        waits.append(timeout)
        return len(waits) in (3, 7)

    store = StoreWaits(flush, lambda: True)
    assert [store.before_a_save() for _ in range(3)] == [False, False, True]
    assert store.at_the_end(seconds, stop)
    assert waits == [30.0] * 3 + [first, 5.0, 5.0, 5.0]
    assert caplog.text.count("the run waits for them at its end") == 1
    stop.set()
    assert not store.at_the_end(60.0, stop)
    assert waits[7:] == [60.0]


def test_training_waits_for_a_store_that_is_slower_and_loses_no_chunk(caplog):
    written, stop = [], Stop()

    def slow(item):
        time.sleep(0.01)
        written.append(item)

    store = BackgroundWorker("slow", slow, capacity=4)
    for item in range(20):
        refuse_if_stuck(store, "wait", stop.is_set)
        assert store.behind <= 2
        store.put(item)
    assert store.flush(5.0) and written == list(range(20))
    assert caplog.text.count("training waits for it") == 1
    assert store.finish(5.0)


def test_a_store_that_hangs_is_not_waited_for_once_the_run_is_to_stop_and_refused_when_full():
    hangs, busy, stop = threading.Event(), threading.Event(), Stop()

    def hang(item):
        busy.set()
        hangs.wait()

    store = BackgroundWorker("hangs", hang, capacity=4)
    store.put(0)
    assert busy.wait(5.0)
    stop.set()
    for item in range(4):
        refuse_if_stuck(store, "wait", stop.is_set)
        store.put(item)
    with pytest.raises(StoreBehind, match="slower than the training. 4 chunks wait for it"):
        refuse_if_stuck(store, "wait", stop.is_set)
    hangs.set()
    assert store.finish(5.0)


def test_no_state_is_fetched_for_a_save_that_the_store_would_not_allow(tmp_path):
    fetched, works = [], [False]

    def fetch(state):
        fetched.append(state)
        return state

    checkpoints_config = elsinore.Experiment().checkpoints
    manager = CheckpointManager(
        tmp_path,
        dataclasses.replace(
            elsinore.Experiment(),
            checkpoints=dataclasses.replace(checkpoints_config, interval_seconds=0.0),
        ),
        schedule=Schedule(num_updates=100, updates_per_chunk=1),
        fetch=fetch,
        flush=lambda timeout, patient=False: works[0],
        store_works=lambda: works[0],
    )
    chunks = [
        SimpleNamespace(state={"x": np.full(3, i)}, index=i, frozen=False, last=False)
        for i in range(4)
    ]
    for chunk in chunks:
        works[0] = chunk.index == 3
        manager.after_chunk(chunk, float("nan"))
    assert fetched == [chunks[0].state, chunks[3].state]
    assert [each.update for each in checkpoints.list_checkpoints(tmp_path)] == [4]


def test_a_checkpoint_that_finds_the_disk_full_leaves_no_part_of_itself(tmp_path, monkeypatch):
    def fails(folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "fsync_tree", fails)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(tmp_path, "latest", {"x": np.zeros(3)}, {"update": 1})
    assert list((tmp_path / "latest").iterdir()) == []


def test_a_worker_holds_items_up_to_a_weight():
    worker = BackgroundWorker("heavy", lambda _: time.sleep(60), capacity=10, weight=lambda x: x)
    worker.put(1)  # at work
    while worker.behind:
        time.sleep(0.01)
    for _ in range(3):
        worker.put(4)
    assert worker.is_full and worker.behind == 3
    worker.put(4)
    assert worker.behind == 3
    worker.finish(0.0)


def test_a_worker_that_closes_tries_one_item_once_and_none_after_it():
    tried = []

    def fails(item):
        tried.append(item)
        raise OSError("full")

    worker = BackgroundWorker("full", fails)
    for item in range(1000):
        worker.put(item)
    while not tried:
        time.sleep(0.01)
    assert worker.finish(10.0)
    assert set(tried) == {0} and not worker.is_done


@pytest.mark.parametrize("kilobytes", [60, 100])
@pytest.mark.timeout(120)
def test_a_limit_of_file_size_ends_a_run_in_one_message_and_in_time(tmp_path, kilobytes, whole):
    """Of 60 kB the store cannot be made, of 100 kB not all chunks can be written."""
    settings = TINY | SAVE_ALWAYS | {"on_full_disk": "stop"}
    limited = ["bash", "-c", f'ulimit -S -f {kilobytes}; exec "$@"', "bash"]
    done = subprocess.run(
        [*limited, *beginning(tmp_path, "whole", settings)],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode in (1, 2), done.stderr
    assert "`ulimit -f`" in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("cannot be written") <= 2
    if (tmp_path / "whole" / "checkpoints").exists():
        assert_nothing_is_lost(tmp_path / "whole", whole)


SMALL_DISK = 'mkdir -p "$0" && mount -t tmpfs -o size=500k tmpfs "$0" && exec "$@"'


def has_namespaces() -> bool:
    """True where this user can mount a file system that no other process sees."""
    try:
        trial = ["unshare", "-m", "-r", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(trial, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limited", "said"),
    [
        (lambda _: ["bash", "-c", 'ulimit -S -f 200; exec "$@"', "bash"], "`ulimit -f`"),
        pytest.param(
            lambda path: ["unshare", "-m", "-r", "bash", "-c", SMALL_DISK, str(path)],
            "elsinore: the disk is full; free some space.",
            marks=pytest.mark.skipif(not has_namespaces(), reason="a small disk needs unshare"),
        ),
    ],
    ids=["file size", "disk"],
)
@pytest.mark.timeout(120)
def test_a_checkpoint_that_finds_no_room_ends_a_run_in_one_message(tmp_path, limited, said):
    settings = TINY | {"env_steps": 512, "algo.network.hidden": [256, 256]}
    done = subprocess.run(
        [*limited(tmp_path), *beginning(tmp_path, "run", settings)],
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 1, done.stderr
    assert said in done.stderr and "memory of the device" not in done.stderr
    assert "Traceback" not in done.stderr and "RESOURCE_EXHAUSTED" not in done.stderr
    assert "resume with: elsinore train --resume" in done.stderr
