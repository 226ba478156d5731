"""A run does what it is asked between two chunks, comes to what it would have come to, and listens
to its owner."""

import json
import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

import elsinore
from elsinore.errors import ConfigError
from elsinore.runs import control
from elsinore.runs import loop as run_module
from elsinore.runs.control import ACTS, SOCKET, Controls, ask, listening
from elsinore.runs.signals import NotBegun
from elsinore.runs.store.store import Store
from tests.programs import SHARED, SharedPrograms
from tests.runs.conftest import chunk_ends, kept, learnt, rows_in, train_tiny


@pytest.fixture
def controls():
    return Controls()


@pytest.fixture
def run(tmp_path, controls):
    """A folder with a listening socket and no training."""
    Store(tmp_path / "metrics.sqlite").close()
    with listening(tmp_path, controls):
        yield tmp_path


def events_in(run: Path) -> list[tuple[int, str]]:
    store = Store(run / "metrics.sqlite", read_only=True)
    try:
        return store._db.execute("SELECT update_, kind FROM events ORDER BY at").fetchall()
    finally:
        store.close()


def waited_between_chunks(run: Path) -> float:
    """Seconds from the first chunk's end to the last one's in which there was no chunk."""
    store = Store(run / "metrics.sqlite", read_only=True)
    chunks = store.chunks()
    store.close()
    return chunks[-1][2] - chunks[0][2] - sum(seconds for _, _, _, seconds, _ in chunks[1:])


def spoken(run: Path, line: bytes) -> dict:
    """What is answered to these bytes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(run / SOCKET))
        client.sendall(line)
        return json.loads(client.makefile("rb").readline())


# Asking


def test_a_run_says_what_it_is_doing(run, controls):
    assert ask(run) == "compiling"
    controls.begun.set()
    assert ask(run) == "training"
    assert ask(run, "pause") == "pausing" == ask(run)
    assert ask(run, "resume") == "training"
    assert ask(run, "stop") == "stopping" == ask(run, "resume")


def test_every_act_is_an_event_and_asking_how_it_goes_is_none(run):
    for act in ACTS:
        ask(run, act)
        ask(run)
    assert events_in(run) == [(0, act) for act in ACTS]


def test_only_its_owner_may_use_the_socket(run):
    mode = (run / SOCKET).stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_a_run_whose_folder_was_moved_leaves_the_socket_of_a_new_run(tmp_path):
    old, new = Controls(), Controls()
    new.begun.set()
    (tmp_path / "run").mkdir()
    with listening(tmp_path / "run", old):
        (tmp_path / "run").rename(tmp_path / "moved")
        (tmp_path / "run").mkdir()
        ending = listening(tmp_path / "run", new)
        ending.__enter__()
    assert ask(tmp_path / "run") == "training"
    ending.__exit__(None, None, None)
    assert not (tmp_path / "run" / SOCKET).exists()


def test_no_process_can_connect_before_the_socket_is_its_owners(tmp_path, monkeypatch):
    modes = []
    mode_then = lambda server: modes.append(stat.S_IMODE((tmp_path / SOCKET).stat().st_mode))  # noqa: E731
    activate = control._Server.server_activate
    monkeypatch.setattr(
        control._Server, "server_activate", lambda server: (mode_then(server), activate(server))
    )
    with listening(tmp_path, Controls()):
        assert modes == [0o600]


@pytest.mark.parametrize(
    "line", [b"pause\n", b"\n", b'{"pause": 1}\n', b"[]\n", b"\xff\n", b"x" * 9000]
)
def test_what_is_no_request_is_refused_and_the_next_one_heard(run, line):
    assert "one line of JSON" in spoken(run, line)["error"]
    assert ask(run) == "compiling"


def test_an_act_that_is_none_is_refused_with_those_there_are(run):
    with pytest.raises(
        ConfigError, match="act='explode' is unknown; choose one of pause, step, resume, save, stop"
    ):
        ask(run, "explode")


def test_a_silent_client_blocks_no_other_for_long(run, monkeypatch):
    monkeypatch.setattr(control._Answer, "timeout", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(run / SOCKET))
        assert ask(run) == "compiling"


def test_a_run_that_is_not_training_cannot_be_asked(tmp_path):
    with pytest.raises(ConfigError, match="is not being trained"):
        ask(tmp_path)
    with listening(tmp_path, Controls()):
        pass
    assert not (tmp_path / SOCKET).exists()
    with socket.socket(socket.AF_UNIX) as killed:  # what a killed run leaves behind
        killed.bind(str(tmp_path / SOCKET))
    with pytest.raises(ConfigError, match="is not being trained"):
        ask(tmp_path)
    with listening(tmp_path, Controls()):
        assert ask(tmp_path) == "compiling"


def test_a_run_that_dies_before_it_answers_has_done_nothing(tmp_path):
    with socket.socket(socket.AF_UNIX) as dies:
        dies.bind(str(tmp_path / SOCKET))
        dies.listen()

        def hear():
            with dies.accept()[0] as line:
                line.recv(100)

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        with pytest.raises(ConfigError, match="is not being trained"):
            ask(tmp_path, "save")
        thread.join(5.0)


def test_a_link_to_another_socket_is_not_followed(run, tmp_path):
    other = tmp_path / "copied"
    other.mkdir()
    (other / SOCKET).symlink_to(run / SOCKET)
    with pytest.raises(ConfigError, match="is not being trained"):
        ask(other, "stop")


@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="a long path is reached through /proc"
)
def test_a_path_longer_than_a_sockets_address_will_do(tmp_path):
    run = tmp_path / ("a" * 60) / ("b" * 60)
    run.mkdir(parents=True)
    assert len(os.fsencode(run / SOCKET)) > 108
    with listening(run, Controls()):
        assert stat.S_IMODE((run / SOCKET).stat().st_mode) == 0o600
        assert ask(run, "pause") == "pausing"


def test_a_run_whose_socket_cannot_be_opened_goes_on_without(tmp_path, caplog):
    with listening(tmp_path / "nowhere", Controls()):
        assert "only signals can stop the run" in caplog.text


# Holding


def until(condition) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def held(controls: Controls, saves: list) -> threading.Thread:
    thread = threading.Thread(target=controls.hold, args=(lambda: saves.append(1),))
    thread.start()
    return thread


@pytest.mark.parametrize("act", ["resume", "stop", "step"])
def test_a_paused_run_waits_until_it_is_asked_for_something(controls, act):
    controls.ask("pause")
    waiting = held(controls, [])
    time.sleep(0.05)
    assert waiting.is_alive()
    controls.ask(act)
    waiting.join(5)
    assert not waiting.is_alive()
    assert controls.paused == (act == "step")


def test_a_run_is_pausing_until_its_chunk_is_over_then_paused_and_pausing_again_in_a_step(controls):
    controls.begun.set()
    controls.ask("pause")
    assert controls.phase == "pausing"
    for act, after in (("step", "pausing"), ("resume", "training")):
        waiting = held(controls, [])
        until(lambda: controls.phase == "paused")
        controls.ask(act)
        waiting.join(5)
        assert controls.phase == after


def test_a_paused_run_saves_when_asked_to_and_goes_on_waiting(controls):
    saves = []
    controls.ask("pause")
    waiting = held(controls, saves)
    controls.ask("save")
    until(lambda: saves == [1])
    assert waiting.is_alive()
    controls.ask("stop")
    waiting.join(5)
    assert saves == [1]


def test_the_store_of_a_paused_run_holds_its_last_chunk(tmp_path, monkeypatch):
    """Also where a disk is slow; until then the run is pausing."""
    write, found = Store.write, []

    def write_slowly(store, record):
        time.sleep(0.4)
        write(store, record)

    monkeypatch.setattr(Store, "write", write_slowly)

    def pause(folder, update):
        if update == 4:
            ask(folder, "pause")
            until(lambda: ask(folder) == "paused")
            found.append(chunk_ends(folder))
            time.sleep(1.0)
            found.append(chunk_ends(folder))
            ask(folder, "stop")

    # No checkpoint is due, for which the store would be waited for.
    train_while(tmp_path, pause, **{"checkpoints.period": 0, "checkpoints.interval_seconds": 1e6})
    assert found[0] and found[0] == found[1]


def test_a_run_that_is_not_paused_does_not_wait(controls):
    seconds, stops = controls.hold(lambda: None)
    assert seconds < 0.1 and not stops


# Training


@pytest.fixture
def slowly(monkeypatch):
    """A chunk takes a moment, so that it can be asked for something in the middle of the run."""
    rows_of = run_module.rows_of
    monkeypatch.setattr(run_module, "rows_of", lambda *args: (time.sleep(0.06), rows_of(*args))[1])


def train_while(tmp_path: Path, asking, **settings):
    """The tiny run, `asking(folder, update)` being called in the thread that tells of each
    chunk."""
    folder = tmp_path / "asked"
    train_tiny(
        tmp_path, "asked", settings, callbacks=[lambda record: asking(folder, record.update)]
    )
    return folder


def test_a_run_that_was_paused_comes_to_what_it_would_have_come_to(
    tmp_path, whole, slowly, monkeypatch
):
    pauses, held_for, hold = [], [], Controls.hold
    monkeypatch.setattr(
        Controls, "hold", lambda *args, **more: held_for.append(hold(*args, **more)) or held_for[-1]
    )

    def pause_for_a_moment(folder, update):
        if update in (8, 20):
            ask(folder, "pause")
            until(lambda: ask(folder) == "paused")
            pauses.append(newest_end(folder))
            time.sleep(0.1)
            ask(folder, "resume")

    folder = train_while(tmp_path, pause_for_a_moment)
    assert len(pauses) == 2 and pauses[0] < 20 and pauses[1] < 40
    assert learnt(folder) == learnt(whole) and rows_in(folder) == rows_in(whole)
    seconds = sum(seconds for seconds, _ in held_for)
    assert seconds > 0 and not any(stops for _, stops in held_for)
    assert waited_between_chunks(folder) > seconds - 0.02, "waiting is no chunk's"
    assert [kind for _, kind in events_in(folder)] == [
        "begin",
        "pause",
        "resume",
        "pause",
        "resume",
    ]


def test_a_step_is_one_chunk(tmp_path, slowly):
    ends = []

    def step(folder, update):
        if update != 8:
            return
        ask(folder, "pause")
        for _ in range(3):
            until(lambda: ask(folder) == "paused" and newest_end(folder) > (ends or [0])[-1])
            ends.append(newest_end(folder))
            ask(folder, "step")
        ask(folder, "stop")

    folder = train_while(tmp_path, step)
    assert ends[1] - ends[0] == ends[2] - ends[1] == 4
    assert learnt(folder)["stopped_by"] == "interrupted"


def newest_end(folder: Path) -> int:
    """The update after which the newest chunk in the store ended."""
    return chunk_ends(folder)[-1][0]


def test_a_run_can_be_asked_to_save_and_to_stop(tmp_path, slowly):
    saved = []

    def save_then_stop(folder, update):
        if update == 8:
            ask(folder, "save")
        if update == 28:
            saved.extend(kept(folder, "latest")["latest"])
            ask(folder, "stop")

    folder = train_while(tmp_path, save_then_stop, **{"checkpoints.interval_seconds": 1e6})
    summary = learnt(folder)
    assert len(saved) == 1 and 8 <= int(saved[0]) <= 20
    assert summary["stopped_by"] == "interrupted" and 28 <= summary["updates"] < 40
    assert [int(name) for name in kept(folder, "emergency")["emergency"]] == [summary["updates"]]
    assert [kind for _, kind in events_in(folder)] == ["begin", "save", "stop"]
    assert not (folder / SOCKET).exists()


def test_a_run_that_is_asked_to_stop_while_it_compiles_ends_at_once(tmp_path, whole, monkeypatch):
    folder = tmp_path / "asked"
    compiled_for, compile_it = [30.0], SHARED.__call__

    def compiles_for_long(shared, plan, layout):
        threading.Thread(target=ask, args=(folder, "stop")).start()
        time.sleep(compiled_for.pop())
        return compile_it(plan, layout)

    monkeypatch.setattr(SharedPrograms, "__call__", compiles_for_long)
    began = time.monotonic()
    with pytest.raises(NotBegun):
        train_tiny(tmp_path, "asked")
    assert time.monotonic() - began < 25
    monkeypatch.undo()
    elsinore.resume(folder, grace=600.0)
    assert learnt(folder) == learnt(whole)
