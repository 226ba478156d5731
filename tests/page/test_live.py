"""Live updates have every row once, whatever happens to the connection."""

import contextlib
import json
import logging
import resource
import shutil
import socket
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed

from elsinore.page import live
from elsinore.page.live import parse_subscription
from elsinore.page.run_list import LOOK_PERIOD, SETTLING, RunList
from elsinore.page.runs_directory import RunsDirectory
from elsinore.page.updates import MAX_ROWS, Cursor, updates_since
from elsinore.runs.store.store import Store
from tests.page.conftest import (
    as_if_trained,
    chunk_ending_at,
    make_run,
    next_message,
    serving,
    watch,
)


@pytest.fixture
def run(top, request):
    """A run of this test's own."""
    return make_run(top, request.node.name, updates=8)


def tell(run, *updates: int, seeds=(0, 1)) -> None:
    store = Store(run / "metrics.sqlite")
    for update in updates:
        store.write(chunk_ending_at(update, seeds))
    store.close()


def everything_in(run) -> list[list]:
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return [[row.update, row.seed, row.name, row.value] for row in store.rows()]
    finally:
        store.close()


def rows_until(line, run, update: int, seen: list[list]) -> list[list]:
    """Rows as they arrive, until those of an update are among them."""
    while not seen or seen[-1][0] < update:
        seen += next_message(line, "updates", run.name).get("rows", [])
    return sorted(seen)


def until_it_is(line, run, state: str) -> None:
    while next_message(line, "status", run.name)["state"] != state:
        pass


# Wholeness


def test_rows_come_as_they_are_logged(served, run):
    with served.live() as line:
        watch(line, {"run": run.name, "update": 8})
        next_message(line, "status", run.name)
        tell(run, 12)
        seen = rows_until(line, run, 12, [])
        assert seen == sorted(row for row in everything_in(run) if row[0] > 8)


def test_rows_come_that_a_slow_disk_publishes_after_its_files_have_changed(
    served, run, monkeypatch
):
    """SQLite writes a commit to its log, waits for the disk, and only then shows it to readers: a
    look in between finds changed files and nothing new in them."""
    looks = []

    def slow(db, cursor):
        looks.append(cursor)
        return ({}, cursor) if len(looks) < 4 else updates_since(db, cursor)

    with served.live() as line:
        watch(line, {"run": run.name, "update": 8})
        next_message(line, "status", run.name)
        monkeypatch.setattr(live, "updates_since", slow)
        store = Store(run / "metrics.sqlite")  # open, as a training run's is: its log stays
        store.write(chunk_ending_at(12, (0, 1)))
        assert rows_until(line, run, 12, [])[-1][0] == 12
        store.close()


def test_files_that_rest_are_read_once(top):
    run = make_run(top, "resting", updates=8)
    runs = RunList(RunsDirectory(top))
    store = Store(run / "metrics.sqlite")
    store.write(chunk_ending_at(12, (0, 1)))
    signatures = set()
    for _ in range(3):  # its log is young: each look may find more
        signatures.add(runs.status(run.name)[0])
        time.sleep(LOOK_PERIOD)
    assert len(signatures) >= 3
    runs._seen[run.name] = runs._seen[run.name][0], time.monotonic() - SETTLING
    rested = {runs.status(run.name)[0] for _ in range(3) if not time.sleep(LOOK_PERIOD)}
    assert len(rested) == 1
    store.close()  # nothing is left in the log
    closed = {runs.status(run.name)[0] for _ in range(3) if not time.sleep(LOOK_PERIOD)}
    assert len(closed) == 1 and not closed & rested


def test_a_lost_connection_goes_on_where_it_was_without_a_gap_or_a_double(served, run):
    seen: list[list] = []
    for update in (12, 16, 20, 24):
        with served.live() as line:
            watch(line, {"run": run.name, "update": seen[-1][0] if seen else -1})
            tell(run, update)
            seen = rows_until(line, run, update, seen)
        tell(run, update + 2)  # while nobody listens
    assert seen == [row for row in everything_in(run) if row[0] <= 24]


def test_chunks_and_events_come_with_the_rows(served, run):
    with served.live() as line:
        watch(line, {"run": run.name, "update": -1})
        told_first = next_message(line, "updates", run.name)
        assert told_first["clock"] == [[4, 0.25, 1e4], [8, 0.25, 1e4]]
        assert [event[1:3] for event in told_first["events"]] == [[0, "begin"]]
        with as_if_trained(run):
            assert served.post("control", run=run.name, command="save")[0] == 200
            assert [event[2] for event in next_message(line, "updates", run.name)["events"]] == [
                "save"
            ]


def test_a_state_that_changes_is_sent(served, run):
    with served.live() as line:
        watch(line, {"run": run.name})
        until_it_is(line, run, "interrupted")
        with as_if_trained(run) as controls:
            until_it_is(line, run, "training")
            controls.ask("pause")
            until_it_is(line, run, "paused")
            controls.ask("resume")
            until_it_is(line, run, "training")
        until_it_is(line, run, "interrupted")


def test_a_resumed_run_takes_back_the_rows_that_it_will_log_again(served, run):
    with served.live() as line:
        watch(line, {"run": run.name, "update": -1})
        seen = rows_until(line, run, 8, [])
        store = Store(run / "metrics.sqlite")
        store.forget_after(4)
        store.add_event(4, "resume", "from update 4")
        store.write(chunk_ending_at(8, (0, 1)))
        store.close()
        again = next_message(line, "updates", run.name)
        while "forget_after" not in again:
            again = next_message(line, "updates", run.name)
        assert again["forget_after"] == 4
        kept = [row for row in seen if row[0] <= 4]
        assert sorted(rows_until(line, run, 8, kept + again.get("rows", []))) == everything_in(run)


def test_an_event_that_was_heard_before_takes_nothing_back(run):
    store = Store(run / "metrics.sqlite")
    _, place = updates_since(store._db, Cursor(8))
    store.add_event(4, "resume", "from update 4")
    first, place = updates_since(store._db, place)
    assert first["forget_after"] == 4
    store.write(chunk_ending_at(12))
    second, _ = updates_since(store._db, place)
    assert "forget_after" not in second and "events" not in second
    store.close()


def test_no_event_is_missed_after_the_clock_steps_back_or_events_are_forgotten(run, monkeypatch):
    store = Store(run / "metrics.sqlite")
    _, place = updates_since(store._db, Cursor(8))
    for now, update in ((1.8e9, 8), (1.6e9, 8), (1.7e9, 4)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        if update == 4:  # a resumed run, whose events take the places of the deleted ones
            store.forget_after(4)
        store.add_event(update, "resume" if update == 4 else "pause", str(now))
        found, place = updates_since(store._db, place)
        assert [text for _, _, _, text in found["events"]] == [str(now)]
    assert found["forget_after"] == 4 and "events" not in updates_since(store._db, place)[0]
    store.close()


def test_a_page_that_missed_too_many_rows_begins_again(run):
    store = Store(run / "metrics.sqlite")
    many = [(update, 0, "", "x", 0.0) for update in range(9, 9 + MAX_ROWS + 1)]
    with store._db:
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", many)
    found, place = updates_since(store._db, Cursor(8, 2**40))
    assert found == {"reload": True} and place.update == 8
    assert len(updates_since(store._db, Cursor(9, 2**40))[0]["rows"]) == MAX_ROWS
    store.close()


def test_a_page_of_a_deleted_run_begins_again_with_the_next_of_its_name(served, top):
    run = make_run(top, "again", updates=8)
    with served.live() as line:
        watch(line, {"run": "again", "id": "again", "update": 8, "event": 1})
        next_message(line, "status", "again")
        shutil.rmtree(run)
        make_run(top, "again", updates=8, run_id="another")
        assert next_message(line, "updates", "again") == {"reload": True}
        watch(line, {"run": "again", "id": "another", "update": -1})
        assert len(rows_until(line, run, 8, [])) == len(everything_in(run))


def test_infinity_and_not_a_number_are_nothing(served, run):
    store = Store(run / "metrics.sqlite")
    with store._db:
        values = [
            (12, 0, "", "a", float("inf")),
            (12, 0, "", "b", float("nan")),
            (12, 0, "crow", "c", 1.0),
        ]
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", values)
    store.close()
    with served.live() as line:
        watch(line, {"run": run.name, "update": 8})
        assert rows_until(line, run, 12, []) == [
            [12, 0, "a", None],
            [12, 0, "b", None],
            [12, 0, "c [crow]", 1.0],
        ]


def test_a_run_that_begins_while_a_page_waits_for_it_is_shown(served, top):
    with served.live() as line:
        watch(line, {"run": "unborn"})
        assert "there is no run 'unborn'" in next_message(line, "error", "unborn")
        make_run(top, "unborn", updates=4)
        # it may be seen before its first chunk
        while next_message(line, "status", "unborn").get("update") != 4:
            pass


def test_a_page_leaves_the_log_handlers_of_other_libraries_open(tmp_path):
    closed = []
    handler = logging.StreamHandler()
    handler.close = lambda: closed.append(True)
    with serving(tmp_path):
        assert not closed


def test_the_number_of_a_subscription_comes_before_all_that_is_sent_for_it(served, run):
    with served.live() as line:
        watch(line, {"run": run.name, "update": 8}, number=1)
        assert json.loads(line.recv(timeout=10)) == {"subscription": 1}
        tell(run, 12)
        rows_until(line, run, 12, [])
        watch(line, {"run": run.name, "update": 4}, number=2)
        assert next_message(line, "subscription") == 2
        wanted = sorted(row for row in everything_in(run) if row[0] > 4)
        assert rows_until(line, run, 12, []) == wanted
        watch(line, number="3")
        with pytest.raises(ConnectionClosed):
            next_message(line, "subscription")


def test_wishes_are_a_list_of_runs_and_places():
    subscription = parse_subscription(
        '{"list": true, "watch": [{"run": "a", "update": 3, "event": 7}, {"run": "b"}]}'
    )
    assert subscription.wants_list and {
        name: one.cursor for name, one in subscription.runs.items()
    } == {
        "a": (3, 7, None),
        "b": (-1, 0, None),
    }


# Crowds


def test_twenty_pages_hear_the_same(served, run):
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(served.live()) for _ in range(20)]
        for line in lines:
            watch(line, {"run": run.name, "update": 8}, list=True)
        tell(run, 12, 16)
        wanted = [row for row in everything_in(run) if row[0] > 8]
        assert all(rows_until(line, run, 16, []) == wanted for line in lines)


def test_updates_for_pages_at_the_same_cursor_are_read_once(top, run, monkeypatch):
    reads = []
    monkeypatch.setattr(
        live, "updates_since", lambda db, place: reads.append(place) or updates_since(db, place)
    )
    runs = RunsDirectory(top)
    feed = live.LiveFeed(runs, RunList(runs))
    here, there = (live.WatchedRun(Cursor(update)) for update in (4, 0))
    first = [feed._messages(run.name, one) for one in (here, live.WatchedRun(Cursor(4)))]
    assert first[0] == first[1] and reads == [Cursor(4)]
    assert feed._messages(run.name, there) != first[0] and len(reads) == 2
    tell(run, 12)
    assert '"update"' not in feed._messages(run.name, here)[0] and reads[2] == here.cursor._replace(
        update=8
    )


def flood(run, update: int) -> None:
    """Nearly as much as is sent at once: more than a megabyte."""
    store = Store(run / "metrics.sqlite")
    with store._db:
        rows = [
            (update, i, "", f"a name of some length, to fill what lies between {i % 7}", 0.1 * i)
            for i in range(MAX_ROWS - 100)
        ]
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", rows)
    store.close()


def deaf(served, run) -> socket.socket:
    """A page that asks for a run and then reads nothing."""
    line = socket.create_connection(("127.0.0.1", served.port))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = (
        "GET /live HTTP/1.1",
        f"Host: 127.0.0.1:{served.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        "",
        "",
    )
    line.sendall("\r\n".join(request).encode())
    assert b" 101 " in line.recv(4096)
    text = json.dumps({"watch": [{"run": run.name, "update": 8}]}).encode()
    # one masked frame, the mask being 0
    line.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    return line


def test_a_page_that_takes_nothing_is_dropped_and_the_others_are_not_kept_waiting(
    top, run, monkeypatch
):
    monkeypatch.setattr(live, "SEND_TIMEOUT", 0.5)
    with serving(top) as served, served.live() as good:
        watch(good, {"run": run.name, "update": 8})
        stuck = deaf(served, run)
        update = 8
        deadline = time.monotonic() + 60
        while served.api.live.clients < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        while served.api.live.clients > 1 and time.monotonic() < deadline:
            update += 1
            flood(run, update)
            assert rows_until(good, run, update, [])
        assert served.api.live.clients == 1
        stuck.close()


@pytest.mark.slow
def test_memory_stays_flat_however_slowly_a_page_reads(top, run):
    with serving(top) as served:
        stuck = [deaf(served, run) for _ in range(5)]
        peaks = []
        for update in range(9, 109):
            flood(run, update)
            if update % 20 == 0:
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        assert peaks[-1] - peaks[0] < 40_000, "KiB"
        for line in stuck:
            line.close()


def test_a_page_that_goes_away_in_the_middle_leaves_nothing_behind(served, run):
    before = threading.active_count()
    for _ in range(5):
        with served.live() as line:
            watch(line, {"run": run.name})
            line.socket.shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + 10
    while served.api.live.clients and time.monotonic() < deadline:
        tell(run, 8)
        time.sleep(0.02)
    assert served.api.live.clients == 0
    assert threading.active_count() < before + 20


def test_the_server_says_good_bye_when_it_ends(top):
    with contextlib.ExitStack() as stack:
        with serving(top) as served:
            line = stack.enter_context(served.live())
            watch(line, list=True)
            next_message(line, "runs")
        with pytest.raises(ConnectionClosed):
            while True:
                line.recv(timeout=5)
