"""What is told live is whole: nothing twice, nothing missing, whatever happens to the connection."""

import contextlib
import json
import resource
import socket
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed

from elsinore.host.page import live
from elsinore.host.page.lines import Lines
from elsinore.host.page.live import read_wishes
from elsinore.host.page.runs import Shelf
from elsinore.host.page.tail import MOST_ROWS, Place, news
from elsinore.host.store import Store
from tests.host.page.conftest import as_if_trained, heard, make_run, serving, told, watch


@pytest.fixture
def run(top, request):
    """A run of this test's own."""
    return make_run(top, request.node.name, updates=8)


def tell(run, *updates: int, seeds=(0, 1)) -> None:
    store = Store(run / "metrics.sqlite")
    for update in updates:
        store.write(told(update, seeds))
    store.close()


def everything_in(run) -> list[list]:
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return [[row.update, row.seed, row.name, row.value] for row in store.rows()]
    finally:
        store.close()


def rows_until(line, run, update: int, seen: list[list]) -> list[list]:
    """Rows as they are told, until those of an update are among them."""
    while not seen or seen[-1][0] < update:
        seen += heard(line, "news", run.name).get("rows", [])
    return sorted(seen)


def until_it_is(line, run, state: str) -> None:
    while heard(line, "line", run.name)["state"] != state:
        pass


# Wholeness


def test_rows_come_as_they_are_told(served, run):
    with served.live() as line:
        watch(line, {"run": run.name, "update": 8})
        heard(line, "line", run.name)
        tell(run, 12)
        seen = rows_until(line, run, 12, [])
        assert seen == sorted(row for row in everything_in(run) if row[0] > 8)


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
        told_first = heard(line, "news", run.name)
        assert told_first["clock"] == [[4, 0.25, 1e4], [8, 0.25, 1e4]]
        assert [event[1:3] for event in told_first["events"]] == [[0, "begin"]]
        with as_if_trained(run):
            assert served.post("act", run=run.name, act="save")[0] == 200
            assert [event[2] for event in heard(line, "news", run.name)["events"]] == ["save"]


def test_a_state_that_changes_is_told(served, run):
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


def test_a_resumed_run_takes_back_what_it_will_tell_again(served, run):
    with served.live() as line:
        watch(line, {"run": run.name, "update": -1})
        seen = rows_until(line, run, 8, [])
        store = Store(run / "metrics.sqlite")
        store.forget_after(4)
        store.tell(4, "resume", "from update 4")
        store.write(told(8, (0, 1)))
        store.close()
        again = heard(line, "news", run.name)
        while "forget_after" not in again:
            again = heard(line, "news", run.name)
        assert again["forget_after"] == 4
        kept = [row for row in seen if row[0] <= 4]
        assert sorted(rows_until(line, run, 8, kept + again.get("rows", []))) == everything_in(run)


def test_an_event_that_was_heard_before_takes_nothing_back(run):
    store = Store(run / "metrics.sqlite")
    _, place = news(store._db, Place(8))
    store.tell(4, "resume", "from update 4")
    first, place = news(store._db, place)
    assert first["forget_after"] == 4
    store.write(told(12))
    second, _ = news(store._db, place)
    assert "forget_after" not in second and "events" not in second
    store.close()


def test_whoever_has_missed_too_much_begins_again(run):
    store = Store(run / "metrics.sqlite")
    many = [(update, 0, "", "x", 0.0) for update in range(9, 9 + MOST_ROWS + 1)]
    with store._db:
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", many)
    found, place = news(store._db, Place(8, 2e9))
    assert found == {"again": True} and place.update == 8
    assert len(news(store._db, Place(9, 2e9))[0]["rows"]) == MOST_ROWS
    store.close()


def test_infinity_and_not_a_number_are_nothing(served, run):
    store = Store(run / "metrics.sqlite")
    with store._db:
        values = [(12, 0, "", "a", float("inf")), (12, 0, "", "b", float("nan")), (12, 0, "crow", "c", 1.0)]
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", values)
    store.close()
    with served.live() as line:
        watch(line, {"run": run.name, "update": 8})
        assert rows_until(line, run, 12, []) == [[12, 0, "a", None], [12, 0, "b", None], [12, 0, "c [crow]", 1.0]]


def test_a_run_that_begins_while_somebody_waits_for_it_is_shown(served, top):
    with served.live() as line:
        watch(line, {"run": "unborn"})
        assert "there is no run 'unborn'" in heard(line, "error", "unborn")
        make_run(top, "unborn", updates=4)
        while heard(line, "line", "unborn").get("update") != 4:  # it may be seen before its first chunk is told
            pass


def test_wishes_are_a_list_of_runs_and_places():
    wishes = read_wishes('{"list": true, "watch": [{"run": "a", "update": 3, "heard": 1.5}, {"run": "b"}]}')
    assert wishes.lists and {name: one.place for name, one in wishes.runs.items()} == {"a": (3, 1.5), "b": (-1, 0.0)}


# Crowds


def test_twenty_pages_hear_the_same(served, run):
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(served.live()) for _ in range(20)]
        for line in lines:
            watch(line, {"run": run.name, "update": 8}, list=True)
        tell(run, 12, 16)
        wanted = [row for row in everything_in(run) if row[0] > 8]
        assert all(rows_until(line, run, 16, []) == wanted for line in lines)


def test_what_pages_at_the_same_place_are_told_is_read_once(top, run, monkeypatch):
    reads = []
    monkeypatch.setattr(live, "news", lambda db, place: reads.append(place) or news(db, place))
    shelf = Shelf(top)
    told = live.Live(shelf, Lines(shelf))
    here, there = (live.Watched(Place(update)) for update in (4, 0))
    first = [told._news(run.name, one) for one in (here, live.Watched(Place(4)))]
    assert first[0] == first[1] and reads == [Place(4)]
    assert told._news(run.name, there) != first[0] and len(reads) == 2
    tell(run, 12)
    assert '"update"' not in told._news(run.name, here)[0] and reads[2] == here.place._replace(update=8)


def flood(run, update: int) -> None:
    """Nearly as much as is sent at once: more than a megabyte."""
    store = Store(run / "metrics.sqlite")
    with store._db:
        rows = [
            (update, i, "", f"a name of some length, to fill what lies between {i % 7}", 0.1 * i)
            for i in range(MOST_ROWS - 100)
        ]
        store._db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", rows)
    store.close()


def deaf(served, run) -> socket.socket:
    """A page that asks for a run and then reads nothing."""
    line = socket.create_connection(("127.0.0.1", served.port))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    request = ("GET /live HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Upgrade: websocket", "Connection: Upgrade",
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", "")  # fmt: skip
    line.sendall("\r\n".join(request).encode())
    assert b" 101 " in line.recv(4096)
    text = json.dumps({"watch": [{"run": run.name, "update": 8}]}).encode()
    line.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)  # one masked frame, the mask being 0
    return line


def test_a_page_that_takes_nothing_is_dropped_and_the_others_are_not_kept_waiting(top, run, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.5)
    with serving(top) as served, served.live() as good:
        watch(good, {"run": run.name, "update": 8})
        stuck = deaf(served, run)
        update = 8
        deadline = time.monotonic() + 60
        while served.page.live.watching < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        while served.page.live.watching > 1 and time.monotonic() < deadline:
            update += 1
            flood(run, update)
            assert rows_until(good, run, update, [])
        assert served.page.live.watching == 1
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
    while served.page.live.watching and time.monotonic() < deadline:
        tell(run, 8)
        time.sleep(0.02)
    assert served.page.live.watching == 0
    assert threading.active_count() < before + 20


def test_the_server_says_good_bye_when_it_ends(top):
    with contextlib.ExitStack() as stack:
        with serving(top) as served:
            line = stack.enter_context(served.live())
            watch(line, list=True)
            heard(line, "runs")
        with pytest.raises(ConnectionClosed):
            while True:
                line.recv(timeout=5)
