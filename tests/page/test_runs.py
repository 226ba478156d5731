"""What cannot be shown is said in a line; the rest goes on."""

import asyncio
import contextlib
import csv
import io
import json
import os
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest

from elsinore.cli import main
from elsinore.errors import ConfigError
from elsinore.page import launch, metrics_csv, run_list, run_status, server
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.server import find_runs, listen
from elsinore.runs.actions import Action
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.replays import files as replays
from elsinore.runs.replays.recording import EpisodeRecording
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_state import run_state
from elsinore.runs.store.store import Store
from elsinore.runs.trust.signature import sign
from tests.page.conftest import (
    LAST_EVALUATED,
    TOKEN,
    as_if_trained,
    long_run,
    make_run,
    next_message,
    number_at,
    serving,
    watch,
)
from tests.read_only import read_only_copy
from tests.view.drawing.test_multi_agent import walkers

HOSTILE = "<img src=x onerror=alert(1)>"


# The list


def test_runs_and_those_of_comparisons_are_listed_with_how_they_stand(served):
    run_list = {line["name"]: line for line in served.get("runs")}
    assert {"one", "two", "bout/CartPole-v1/ppo"} <= set(run_list)
    one = run_list["one"]
    assert (one["env"], one["algo"], one["seeds"], one["state"]) == (
        "CartPole-v1",
        "ppo",
        2,
        "interrupted",
    )
    assert (one["env_steps"], one["total_env_steps"], one["return"]) == (40 * 64, 100 * 64, 400.5)


def test_a_run_that_answers_no_one_here_trains_while_it_is_locked(tmp_path, capsys):
    run = RunDir(make_run(tmp_path, "elsewhere"))  # on another machine, or without a socket
    stopped = {"stopped_by": "interrupted", "seeds": 2, "env_steps": 64, "eval_return": {}}
    run.summary.write_text(json.dumps(stopped))  # before it was resumed
    listed = run_list.RunList(RunsDirectory(tmp_path))
    assert listed.status("elsewhere")[1]["state"] == "interrupted"
    run.lock()
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row == ["elsewhere", "training", "-", "2,560", "-"]
    listed = run_list.RunList(RunsDirectory(tmp_path))
    assert listed.status("elsewhere")[1]["state"] == "training"
    # one that has ended keeps the lock while a sink is late
    assert run_state(run, stopped | {"stopped_by": "budget"}) == "budget"
    run.unlock()
    time.sleep(run_list.ASK_PERIOD)
    assert listed.status("elsewhere")[1]["state"] == "interrupted"


def test_a_run_that_could_not_be_read_is_read_again(tmp_path, monkeypatch):
    make_run(tmp_path, "slow")
    listed, status_of = run_list.RunList(RunsDirectory(tmp_path)), run_list.status_of
    monkeypatch.setattr(run_list, "status_of", lambda runs, name: {"name": name, "error": "slow"})
    assert listed.status("slow")[1]["error"] == "slow"
    monkeypatch.setattr(run_list, "status_of", status_of)
    monkeypatch.setattr(run_list, "ERROR_PERIOD", 0.0)
    assert "error" not in listed.status("slow")[1]  # though no file of it has changed


def test_the_folder_of_a_comparison_or_a_sweep_lists_its_runs(tmp_path, capsys):
    make_run(tmp_path / "bout" / "CartPole-v1", "ppo")
    make_run(tmp_path / "swept" / "groups", "000")
    assert RunsDirectory(tmp_path / "bout").names() == ["CartPole-v1/ppo"]
    assert main(["runs", "--runs-dir", str(tmp_path / "swept")]) == 0
    assert "groups/000" in capsys.readouterr().out
    assert RunsDirectory(tmp_path).names() == ["bout/CartPole-v1/ppo", "swept/groups/000"]


def test_a_finished_run_shows_its_results(tmp_path):
    run = make_run(tmp_path, "done")
    (run / "summary.json").write_text(
        json.dumps({"stopped_by": "converged", "eval_return": {"iqm": 7.0}})
    )
    with serving(tmp_path) as served:
        (line,) = served.get("runs")
        assert (line["state"], line["return"]) == ("converged", 7.0)


def test_looking_at_a_run_changes_nothing_of_it(tmp_path):
    """SQLite leaves an empty log beside what it reads; that is no news, and no reason to read
    again."""
    run = make_run(tmp_path, "run")
    for path in run.rglob("*"):
        os.utime(path, (1e9, 1e9))
    with serving(tmp_path) as served:
        seen = [
            (run_list.file_signature(RunDir(run)), served.get("runs")[0]["time"]) for _ in range(3)
        ]
    assert set(seen) == {(seen[0][0], 1e9)}


@pytest.mark.parametrize(("summary", "speed"), [({}, 4e4), ({"stopped_by": "budget"}, 2.5e4)])
def test_a_speed_is_that_of_the_newest_chunks_and_of_all_once_a_run_is_over(
    tmp_path, summary, speed
):
    run = make_run(tmp_path, "run", updates=0)
    store = Store(run / "metrics.sqlite")
    for update in range(1, 21):
        store.write(ChunkRecord(update, 64 * update, [], 1.7e9, 1.0, 1e4 if update <= 10 else 4e4))
    store.close()
    (run / "summary.json").write_text(json.dumps(summary))
    with contextlib.nullcontext() if summary else as_if_trained(run):
        assert run_status.status_of(RunsDirectory(tmp_path), "run")["speed"] == speed


def test_with_evaluations_on_request_all_seeds_that_learn_share_the_time_left(tmp_path):
    run = make_run(tmp_path, "run", updates=0, seeds=3, num_updates=400)
    store = Store(run / "metrics.sqlite")
    for update in range(1, 301):
        learn = range(3 if update < 200 else 2)  # a seed stops
        rows = [Row(update, seed, "", "episode/count", 1.0) for seed in learn]
        rows += [Row(update, s, "", "eval/return", update) for s in learn if update % 150 == 5]
        store.write(ChunkRecord(update, 64 * update, rows, 1.7e9, 1.0, 1e4))
    store.close()
    with as_if_trained(run):
        status = run_status.status_of(RunsDirectory(tmp_path), "run")
    assert (status["learning"], status["return"]) == (2, 155.0)
    assert status["seconds_left"] == pytest.approx(2 * 100 * 64 / 1e4)
    assert status["sparkline"] == [5.0, 155.0]


@pytest.mark.parametrize(
    ("stop", "budget", "share", "left"),
    [
        ({"stop_episodes": 400}, "80 of 400 episodes", 0.2, 10.0),  # 2 an update, in 2.5 s
        ({"stop_episodes": 60}, "80 of 60 episodes", 1.0, 0.0),
        ({"stop_seconds": 10.0}, "2.5 of 10 s", 0.25, 7.5),
        ({"stop_seconds": 1e6}, "2.5 of 1,000,000 s", 0.01, 2 * 3960 * 64 / 1e4),
        ({"stop_episodes": "many", "stop_seconds": -1.0}, "", 0.01, 2 * 3960 * 64 / 1e4),
        ({}, "", 0.01, 2 * 3960 * 64 / 1e4),
    ],
)
def test_the_part_of_a_budget_is_in_its_own_unit(tmp_path, stop, budget, share, left):
    run = make_run(tmp_path, "run", num_updates=4000, **stop)
    with as_if_trained(run):
        status = run_status.status_of(RunsDirectory(tmp_path), "run")
    assert (status["budget"], status["share"]) == (budget, pytest.approx(share))
    assert status["seconds_left"] == pytest.approx(left)


@pytest.mark.parametrize(("members", "mean"), [([], 40.5), (["a", "b"], 40.5), (["a"] * 3, 40.5)])
def test_a_number_of_seeds_that_no_run_has_takes_no_time(tmp_path, members, mean):
    run = make_run(tmp_path, "odd", 4, members=json.dumps(members))
    with contextlib.closing(sqlite3.connect(run / "metrics.sqlite")) as db, db:
        db.execute("UPDATE info SET value = ? WHERE name = 'seeds'", (10**15,))
        db.execute("INSERT INTO metrics VALUES (4, 'no seed', '', 'eval/return', 1e9)")
    status = run_status.status_of(RunsDirectory(tmp_path), "odd")
    assert (status["return"], status["sparkline"]) == (mean, [mean])


@pytest.mark.parametrize("summary", ["", "{", "[1]", '{"eval_return": 3}', "\x00"])
def test_a_summary_that_is_none_takes_nothing_else_away(tmp_path, summary):
    (make_run(tmp_path, "odd") / "summary.json").write_text(summary)
    with serving(tmp_path) as served:
        (line,) = served.get("runs")
        assert line["env_steps"] == 40 * 64


def test_a_folder_without_runs_is_an_empty_list_and_so_is_one_that_is_not_there(tmp_path):
    assert RunsDirectory(tmp_path).names() == RunsDirectory(tmp_path / "nowhere").names() == []


def test_a_run_of_a_newer_format_is_named_and_the_others_are_shown(tmp_path):
    make_run(tmp_path, "newer", format=99)
    make_run(tmp_path, "plain")
    with serving(tmp_path) as served:
        run_list = {line["name"]: line for line in served.get("runs")}
        assert "format 99, and this elsinore reads 1" in run_list["newer"]["error"]
        assert "error" not in run_list["plain"]
        assert served.ask("/api/curves", run="newer")[0] == 404


@pytest.mark.parametrize("broken", [b"", b"no database", b"SQLite format 3\x00" + 200 * b"\xff"])
def test_a_broken_database_is_said_and_the_others_are_shown(tmp_path, broken):
    (make_run(tmp_path, "broken") / "metrics.sqlite").write_bytes(broken)
    make_run(tmp_path, "plain")
    with serving(tmp_path) as served:
        run_list = {line["name"]: line for line in served.get("runs")}
        assert "cannot be read" in run_list["broken"]["error"] and "error" not in run_list["plain"]


def test_a_copy_on_a_disk_that_cannot_be_written_is_read(tmp_path):
    with read_only_copy(make_run(tmp_path, "copied")) as copy:
        runs = RunsDirectory(copy.parent)
        with runs.database(runs.open("copied")) as db:
            assert db.execute("SELECT count(*) FROM chunks").fetchone() == (10,)


def test_a_run_whose_metrics_take_without_end_is_said_and_the_others_answer(tmp_path):
    endless = make_run(tmp_path, "endless")
    with sqlite3.connect(endless / "metrics.sqlite") as db:
        db.executescript(
            "DROP VIEW episodes; DROP TABLE chunks; CREATE VIEW chunks AS WITH RECURSIVE c(x) AS"
            " (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS update_ FROM c"
        )
    db.close()
    make_run(tmp_path, "plain")
    with serving(tmp_path) as served:
        run_list = {line["name"]: line for line in served.get("runs")}
        assert "chunks is a view" in run_list["endless"]["error"]
        assert "error" not in run_list["plain"]


def test_metrics_that_took_too_long_rest_while_the_others_are_read(tmp_path):
    runs = RunsDirectory(tmp_path)
    slow, plain = (runs.open(make_run(tmp_path, name).name) for name in ("slow", "plain"))
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
    with pytest.raises(PageError, match="takes too long"), runs.database(slow, 0.2) as db:
        db.execute(endless)
    with pytest.raises(PageError, match="takes too long"), runs.database(slow):
        pass
    with runs.database(plain) as db:
        assert db.execute("SELECT count(*) FROM chunks").fetchone() == (10,)


def test_a_run_that_is_read_slowly_keeps_no_other_waiting(tmp_path, monkeypatch):
    for name in ("slow", "plain"):
        make_run(tmp_path, name)
    reading, go_on, status_of = threading.Event(), threading.Event(), run_list.status_of

    def slowly(runs, name):
        if name == "slow":
            reading.set()
            assert go_on.wait(30)
        return status_of(runs, name)

    monkeypatch.setattr(run_list, "status_of", slowly)
    listed = run_list.RunList(RunsDirectory(tmp_path))
    thread = threading.Thread(target=listed.status, args=["slow"])
    thread.start()
    assert reading.wait(30)
    try:
        assert listed.status("plain")[1]["name"] == "plain"  # not after the other
    finally:
        go_on.set()
        thread.join()


@pytest.mark.parametrize("name", ["東京", "läuft 1", "plain"])
def test_a_download_has_the_name_of_its_run_in_any_letters(tmp_path, name):
    make_run(tmp_path, name)
    with serving(tmp_path) as served:
        status, headers, body = served.ask("/api/csv", run=name)
        assert status == 200 and body.startswith(b"update,env_steps")
    plain, _, whole = headers["content-disposition"].partition("; filename*=UTF-8''")
    assert plain.isascii() and plain.startswith('attachment; filename="')
    assert unquote(whole) == f"{name.replace(' ', '-')}.csv"


def test_reading_leaves_the_metrics_as_they_were(tmp_path):
    run = make_run(tmp_path, "run")
    runs = RunsDirectory(tmp_path)
    with (
        runs.database(runs.open("run")) as db,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        db.execute("DELETE FROM metrics")
    assert (run / "metrics.sqlite").stat().st_size > 0


def test_names_that_hold_html_travel_as_text(tmp_path):
    run = make_run(tmp_path, HOSTILE.replace("/", ""), env=HOSTILE)
    with serving(tmp_path) as served:
        status, headers, body = served.ask("/api/runs")
        assert headers["content-type"] == "application/json"
        assert json.loads(body)[0]["env"] == HOSTILE and json.loads(body)[0]["name"] == run.name
        _, headers, _ = served.ask("/api/csv", run=run.name)
        assert "<" not in headers["content-disposition"] and headers["content-type"].startswith(
            "text/csv"
        )


# One odd run among others


def set_info(run, name: str, value) -> None:
    store = Store(run / "metrics.sqlite")
    store.describe(**{name: value})
    store.close()


def set_value(run, name: str, value) -> None:
    with contextlib.closing(sqlite3.connect(run / "metrics.sqlite")) as db, db:
        db.execute("UPDATE metrics SET value = ? WHERE name = ?", (value, name))


def as_folder(path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def as_text(path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


ODD_RUNS = {
    "infinite return": lambda run: set_value(run, "eval/return", float("inf")),
    "return of text": lambda run: set_value(run, "eval/return", "high"),
    "return that is a blob": lambda run: set_value(run, "eval/return", b"\xff"),
    "no number of steps": lambda run: set_info(run, "steps_per_update", "many"),
    "infinite number of steps": lambda run: set_info(run, "steps_per_update", float("inf")),
    "env that is a blob": lambda run: set_info(run, "env", b"\xff\xfe"),
    "seeds that are text": lambda run: set_info(run, "seeds", "two"),
    "summary with NaN": lambda run: as_text(
        run / "summary.json", '{"stopped_by": "budget", "eval_return": {"iqm": NaN}}'
    ),
    "summary with lone surrogates": lambda run: as_text(
        run / "summary.json", '{"stopped_by": "\\ud800"}'
    ),
    "summary that moves the cursor": lambda run: as_text(
        run / "summary.json", '{"stopped_by": "\\u001b[2J"}'
    ),
    "summary of texts": lambda run: as_text(
        run / "summary.json", '{"stopped_by": 3, "seeds": "x", "env_steps": [], "eval_return": "x"}'
    ),
    "summary that is a list": lambda run: as_text(run / "summary.json", "[1]"),
    "summary that is a number": lambda run: as_text(run / "summary.json", "3"),
    "summary that is null": lambda run: as_text(run / "summary.json", "null"),
    "summary that lacks keys": lambda run: as_text(run / "summary.json", '{"seeds": 1}'),
    "nested summary": lambda run: as_text(run / "summary.json", "[" * 100_000),
    "deep summary": lambda run: as_text(
        run / "summary.json", '{"a":' + "[" * 900 + "]" * 900 + "}"
    ),
    "summary that is a folder": lambda run: as_folder(run / "summary.json"),
    "metrics that are a folder": lambda run: as_folder(run / "metrics.sqlite"),
    "metrics that are garbage": lambda run: as_text(run / "metrics.sqlite", b"\xff" * 5000),
    "empty metrics": lambda run: as_text(run / "metrics.sqlite", ""),
    "config that is garbage": lambda run: as_text(run / "config.yaml", b"\xff\x00[{" * 100),
    "log that is garbage": lambda run: as_text(run / "logs/train.log", b"\xff\x00" * 100),
    "checkpoint of another name": lambda run: as_text(
        run / "checkpoints/latest/00000old/manifest.json", "{}"
    ),
    "checkpoint of a list": lambda run: as_text(
        run / "checkpoints/latest/0000000004/manifest.json", "[]"
    ),
    "checkpoints that are a file": lambda run: as_text(run / "checkpoints", ""),
}


def strict(body: bytes):
    """JSON as browsers read it."""
    return json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("how", ODD_RUNS)
def test_one_odd_run_takes_nothing_from_the_others(tmp_path, capsys, how):
    ODD_RUNS[how](make_run(tmp_path, "odd"))
    make_run(tmp_path, "plain")
    with serving(tmp_path) as served, served.live() as line:
        status, _, body = served.ask("/api/runs")
        assert status == 200
        rows = {row["name"]: row for row in strict(body)}
        assert rows["plain"]["return"] == 400.5 and "error" not in rows["plain"]
        assert "odd" in rows
        watch(line, {"run": "odd"}, {"run": "plain"}, list=True)
        assert {row["name"] for row in next_message(line, "runs")} == {"odd", "plain"}
        assert next_message(line, "status", "plain")["return"] == 400.5
        for what in ("run", "curves", "replays", "csv"):
            status, headers, body = served.ask(f"/api/{what}", run="odd")
            assert status in (200, 404)
            if headers["content-type"] == "application/json":
                strict(body)
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(said)
    assert said[1].startswith("odd ")
    assert said[2].split() == ["plain", "interrupted", "-", "2,560", "-"]


REASONS = {
    "summary that is a list": "summary.json is no mapping",
    "summary that lacks keys": "summary.json has no stopped_by",
    "nested summary": "summary.json is no JSON",
    "checkpoint of another name": "checkpoints/latest/00000old cannot be read",
}


@pytest.mark.parametrize("how", REASONS)
def test_what_cannot_be_read_is_named(tmp_path, capsys, how):
    ODD_RUNS[how](make_run(tmp_path, "odd"))
    with serving(tmp_path) as served:
        assert REASONS[how] in " ".join(served.get("run", run="odd")["unread"])
    if not how.startswith("checkpoint"):
        assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
        assert f"not shown of odd: {REASONS[how]}" in capsys.readouterr().out


def test_a_fault_of_the_reader_itself_is_a_line_of_its_run(tmp_path, monkeypatch):
    make_run(tmp_path, "odd")
    make_run(tmp_path, "plain")
    read = run_list.status_of

    def fails(runs, name):
        if name == "odd":
            raise LookupError("of any kind")
        return read(runs, name)

    monkeypatch.setattr(run_list, "status_of", fails)
    with serving(tmp_path) as served:
        rows = {row["name"]: row for row in served.get("runs")}
        assert rows["odd"]["error"] == "this run cannot be read (LookupError)."
        assert "error" not in rows["plain"]


def test_the_command_line_names_the_folders_that_it_skips(tmp_path, capsys):
    for name in ("plain", "...", ".unborn.3f9a0c12b4de"):
        make_run(tmp_path, name)
    assert main(["runs", "--runs-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "skipped ...: its name begins with a dot; rename it." in said
    assert "unborn" not in said


# The table


def test_the_table_is_read_in_pages_and_is_whole(tmp_path, monkeypatch):
    make_run(tmp_path, "run", updates=40, seeds=3)
    runs = RunsDirectory(tmp_path)
    whole = "".join(metrics_csv.csv_pages(runs, "run"))
    assert whole.count("\n") == 1 + 40 * 3
    monkeypatch.setattr(metrics_csv, "PAGE_LINES", 7)
    pages = list(metrics_csv.csv_pages(runs, "run"))
    assert "".join(pages) == whole and len(pages) > 40 * 3 // 7


def test_a_metric_that_a_callback_logs_now_and_then_has_a_column(tmp_path):
    run = make_run(tmp_path, "run", updates=400)
    store = Store(run / "metrics.sqlite")
    store.log([Row(200, 0, "", "mine/gap", 0.25)], Action.log("mine/gap", 0.25).text)
    store.add_event(4, "action", "not JSON")
    store.close()
    rows = list(
        csv.DictReader(io.StringIO("".join(metrics_csv.csv_pages(RunsDirectory(tmp_path), "run"))))
    )
    assert [(r["update"], r["mine/gap"]) for r in rows if r["mine/gap"]] == [("200", "0.25")]


def test_a_metric_of_episodes_that_end_within_chunks_has_a_column(tmp_path):
    run = make_run(tmp_path, "run", updates=0)
    store = Store(run / "metrics.sqlite")
    for end in range(4, 401, 4):
        rows = [Row(update, 0, "", "loss/value", 0.5) for update in range(end - 3, end + 1)]
        episodes = [Row(end - 2, 0, agent, "episode/return", end) for agent in ("", "crow")]
        store.write(ChunkRecord(end, 64 * end, rows + episodes * (end == 200), 1.7e9, 1.0, 1e4))
    store.close()
    text = "".join(metrics_csv.csv_pages(RunsDirectory(tmp_path), "run"))
    (row,) = (r for r in csv.DictReader(io.StringIO(text)) if r["episode/return"])
    assert (row["update"], row["episode/return"], row["episode/return [crow]"]) == (
        "198",
        "200.0",
        "200.0",
    )


def test_a_reader_who_leaves_or_is_slow_holds_nothing(tmp_path, monkeypatch):
    """The write-ahead log can be emptied between two pages: no snapshot is held."""
    monkeypatch.setattr(metrics_csv, "PAGE_LINES", 7)
    run = make_run(tmp_path, "run")
    pages = metrics_csv.csv_pages(RunsDirectory(tmp_path), "run")
    next(pages)
    next(pages)
    assert not [link for link in descriptors() if link.startswith(str(run))]
    store = Store(run / "metrics.sqlite")
    store.write(ChunkRecord(44, 44 * 64, [], 1.7e9, 1.0, 1e4))
    assert store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    store.close()
    assert "".join(pages).count("\n") == 80 - 7


def descriptors() -> list[str]:
    found = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(entry.path))
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_a_download_that_is_broken_off_leaves_no_descriptor(tmp_path):
    run = make_run(tmp_path, "run", updates=0)
    store = Store(run / "metrics.sqlite")
    rows = [Row(u, s, "", "loss/value", 0.1) for u in range(1, 2001) for s in range(50)]
    store.write(ChunkRecord(2000, 64, rows, 1.7e9, 1.0, 1e4))
    store.close()
    with serving(tmp_path) as served:
        for _ in range(3):
            line = socket.create_connection(("127.0.0.1", served.port))
            line.sendall(
                f"GET /api/csv?run=run HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n\r\n".encode()
            )
            assert line.recv(100)
            line.close()
        deadline = time.monotonic() + 10
        while left := [link for link in descriptors() if link.startswith(str(run))]:
            assert time.monotonic() < deadline, left
            time.sleep(0.05)


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_of_the_table_is_a_formula(tmp_path, name):
    run = make_run(tmp_path, "run", updates=0)
    store = Store(run / "metrics.sqlite")
    rows = [Row(1, 0, "", name, -1.5), Row(1, 0, "", "eval/return", 2.0)]
    store.write(ChunkRecord(1, 64, rows, 1.7e9, 1.0, 1e4))
    store.close()
    set_value(run, "eval/return", "=1+1")
    with serving(tmp_path) as served:
        text = served.ask("/api/csv", run="run")[2].decode()
    header, row = csv.reader(io.StringIO(text, newline=""))
    values = dict(zip(header, row, strict=True))
    assert values[f"'{name}"] == "-1.5" and values["eval/return"] == "'=1+1"


# A run


def test_a_runs_page_has_its_config_plan_log_and_checkpoints(served):
    found = served.get("run", run="one")
    assert found["config"].startswith("env: CartPole-v1")
    assert found["plan"] == ["environment     CartPole-v1"]
    assert found["checkpoints"] == [] and len(found["log"]) == 2


def test_a_checkpoint_that_a_newer_one_replaces_meanwhile_is_no_fault(tmp_path, monkeypatch):
    kept = make_run(tmp_path, "run") / "checkpoints" / "latest" / "0000000008"
    kept.mkdir(parents=True)
    (kept / "manifest.json").write_text(json.dumps({"update": 8}))
    listed = RunsDirectory.entries

    def before_it_goes(self, run, folder):
        gone = [folder / "0000000004"] if folder.name == "latest" else []
        return [*gone, *listed(self, run, folder)]

    monkeypatch.setattr(RunsDirectory, "entries", before_it_goes)
    details = run_status.details_of(RunsDirectory(tmp_path), "run")
    assert details["unread"] == []
    assert [row["name"] for row in details["checkpoints"]] == ["latest/0000000008"]


def test_of_a_long_log_the_plan_and_the_newest_lines_are_shown(tmp_path, monkeypatch):
    log = make_run(tmp_path, "run") / "logs" / "train.log"
    with log.open("a") as file:
        file.writelines(f"2026-11-20 10:00:00,1 INFO line {i} of many\n" for i in range(20_000))
    with serving(tmp_path) as served:
        found = served.get("run", run="run")
    assert found["plan"] == ["environment     CartPole-v1"]
    assert len(found["log"]) == 300 and found["log"][-1].endswith("line 19999 of many")
    monkeypatch.setattr("elsinore.page.run_status.LOG_BYTES", 70)
    with serving(tmp_path) as served:  # whole lines only
        assert served.get("run", run="run")["log"] == found["log"][-1:]


@pytest.mark.parametrize("lines", [1, 100], ids=["short", "long"])
def test_the_plan_is_whole_and_that_of_the_newest_budget(tmp_path, lines):
    plan = ["environment     new", *(f"line {i}" for i in range(lines))]
    texts = ["environment     old", "compiling", "budget: 1 -> 2", *plan, "compiling, to resume"]
    log = make_run(tmp_path, "run") / "logs" / "train.log"
    log.write_text("".join(f"2026-11-20 10:00:00,1 INFO {text}\n" for text in texts))
    assert run_status.details_of(RunsDirectory(tmp_path), "run")["plan"] == plan


def test_the_summary_of_thousands_of_trials_is_read(tmp_path):
    run, returns = make_run(tmp_path, "run"), {"iqm": 7.0, "per_seed": [123.456789] * 100_000}
    summary = {"stopped_by": "budget", "seeds": 2, "env_steps": 64, "eval_return": returns}
    (run / "summary.json").write_text(json.dumps(summary))
    with serving(tmp_path) as served:
        (line,) = served.get("runs")
    assert (line["state"], line["return"], line["unread"]) == ("budget", 7.0, [])


def test_the_table_has_every_number(served):
    _, _, body = served.ask("/api/csv", run="one")
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert len(rows) == 40 * 2
    assert rows[0].keys() == {
        "update",
        "env_steps",
        "seed",
        "episode/return",
        "episode/count",
        "loss/value",
        "eval/return",
    }
    row = next(row for row in rows if row["update"] == "8" and row["seed"] == "1")
    assert (row["env_steps"], row["episode/return"], row["eval/return"]) == ("512", "108.0", "81.0")
    assert rows[0]["eval/return"] == ""


def test_the_newest_numbers_are_those_of_single_updates(tmp_path):
    long_run(tmp_path)
    with serving(tmp_path) as served:
        found = served.get("numbers", run="long")
    assert found["names"] == ["eval/return", "episode/return"]
    places = [(u, s) for u in range(3999, 0, -3) for s in (0, 1) if u <= LAST_EVALUATED[s]]
    numbers = [[update, seed, *[number_at(update, seed)] * 2] for update, seed in places]
    assert found["rows"] == numbers[:200]


def test_the_newest_numbers_of_a_run_without_evaluations_are_those_of_its_training(tmp_path):
    run = make_run(tmp_path, "run", updates=4)
    with contextlib.closing(sqlite3.connect(run / "metrics.sqlite")) as db, db:
        db.execute("DELETE FROM metrics WHERE name = 'eval/return'")
        db.execute("UPDATE metrics SET value = NULL WHERE update_ = 4 AND name = 'loss/value'")
    with serving(tmp_path) as served:
        found = served.get("numbers", run="run")
        assert found["names"] == ["episode/return", "loss/value"]
        assert found["rows"][:3] == [[4, 0, 4.0, None], [4, 1, 104.0, None], [3, 0, 3.0, 1 / 3]]
        make_run(tmp_path, "empty", updates=0)
        assert served.get("numbers", run="empty") == {"names": [], "rows": []}


# Replays


def film(run, name="0000000008-seed0.npz", **about) -> None:
    """A replay of two steps in an env that is no part of elsinore."""
    run_status = {"format": 1, "env": "json:Nothing", "env_kwargs": {}, "length": 2, "return": 3.0}
    arrays = {name: np.zeros(2) for name in ("action", "reward", "terminated", "truncated")}
    replays.write(run / "replays" / name, EpisodeRecording(run_status | about, arrays))


def test_replays_are_listed_and_a_broken_one_is_said(tmp_path):
    run = make_run(tmp_path, "run")
    film(run)
    (run / "replays" / "0000000009-seed0.npz").write_bytes(b"PK broken")
    film(run, "0000000010-seed0.npz", format=99)
    with serving(tmp_path) as served:
        good, broken, newer = served.get("replays", run="run")
        assert (good["length"], good["return"]) == (2, 3.0)
        assert "cannot be read" in broken["error"] and "format 99" in newer["error"]
        status, _, body = served.ask("/api/replay", run="run", replay=broken["replay"])
        assert status == 404 and b"cannot be read" in body


@pytest.mark.parametrize(
    ("best", "marked"),
    [(256, 1), (500, 2), (9_000, 2), (30_000, 2), (None, None), ("x", None)],
)
def test_the_first_replay_since_the_best_checkpoint_or_the_last_is_marked(tmp_path, best, marked):
    run = make_run(tmp_path, "run")
    for update in (0, 4, 400):
        film(run, f"{update:010d}-seed0.npz", env_steps=update * 64)
    kept = {"best": {"name": "best/0000000004", "env_steps": best}}
    (run / "summary.json").write_text(json.dumps({"stopped_by": "budget", "checkpoints": kept}))
    with serving(tmp_path) as served:
        found = served.get("replays", run="run")
    assert [i for i, one in enumerate(found) if one.get("best")] == (
        [] if marked is None else [marked]
    )


def test_a_run_that_begins_from_another_says_so(tmp_path):
    make_run(tmp_path, "new", begins_from="policy of old@best/0000000004")
    make_run(tmp_path, "old")
    runs = RunsDirectory(tmp_path)
    found = [run_status.status_of(runs, name)["begins_from"] for name in ("new", "old")]
    assert found == ["policy of old@best/0000000004", ""]


def of_ones_own(run: Path, env: str) -> None:
    """Make it a run in that environment, signed by this user."""
    (run / "config.yaml").write_text(f"env: {env}\nenv_kwargs: {{}}\n")
    sign(run / "config.yaml")


def test_a_custom_env_is_made_only_for_who_may_act(tmp_path):
    run = make_run(tmp_path, "run")
    film(run)
    with serving(tmp_path) as served:
        query = {"run": "run", "replay": "0000000008-seed0.npz"}
        assert b"needs the token" in served.ask("/api/replay", **query)[2]
        assert b"not of a run that you made" in served.ask("/api/replay", **query, token=TOKEN)[2]
        of_ones_own(run, "json:Nothing")
        assert b"needs the token" in served.ask("/api/replay", **query)[2]
        assert b"cannot be imported" in served.ask("/api/replay", **query, token=TOKEN)[2]


def test_of_several_agents_the_one_that_is_asked_for_is_looked_at(tmp_path):
    run, episode = make_run(tmp_path, "run"), walkers()
    replays.write(run / "replays" / "0000000008-seed0.npz", episode)
    of_ones_own(run, episode.about["env"])
    with serving(tmp_path) as served:
        assert served.get("replays", run="run")[0]["agents"] == 3
        query = {"run": "run", "replay": "0000000008-seed0.npz", "token": TOKEN}
        titles = [
            served.get("replay", **query, **which)["scenes"][0]["title"]
            for which in ({}, {"agent": 2})
        ]
        assert ["agent_0 of 3" in titles[0], "agent_2 of 3" in titles[1]] == [True, True]
        assert (
            b"there are agent_0, agent_1, agent_2" in served.ask("/api/replay", **query, agent=3)[2]
        )


def test_a_replay_that_unpacks_to_more_than_fits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(replays, "MAX_REPLAY_BYTES", 100)
    film(make_run(tmp_path, "run"))
    with serving(tmp_path) as served:
        assert "at most 100 are read" in served.get("replays", run="run")[0]["error"]


# Starting


def test_a_wish_becomes_the_command_that_a_person_would_type(tmp_path):
    wish = launch.parse_launch(
        {"env": "ppo/CartPole-v1", "seeds": 2, "set": ["a=1", "b=-2"], "name": "", "yaml": None}
    )
    assert launch.train_arguments(wish, None) == [
        "ppo/CartPole-v1",
        "--seeds=2",
        "--set=a=1",
        "--set=b=-2",
    ]
    config = tmp_path / "c.yaml"
    assert launch.train_arguments(launch.parse_launch({"algo": "--evil"}), config) == [
        f"--config={config}",
        "--algo=--evil",
    ]


def test_a_plan_finds_the_run_that_it_begins_from_where_the_page_looks(tmp_path, monkeypatch):
    commands, given = [], []
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)

    def run(command, **rest):
        commands.append(command)
        given.append(rest)
        return subprocess.CompletedProcess(command, 0, b"as planned", b"")

    monkeypatch.setattr(launch.subprocess, "run", run)
    planned = launch.Launcher(RunsDirectory(tmp_path)).plan({"set": ["start.run=one"]})
    assert planned == "as planned"
    assert commands[0][-3:] == ["--set=start.run=one", f"--runs-dir={tmp_path}", "--plan"]
    assert given[0]["env"] == os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


@pytest.mark.parametrize(
    "wish",
    [
        [],
        {"env": 1},
        {"env": "--resume=x"},
        {"seeds": "2"},
        {"seeds": True},
        {"set": "a"},
        {"set": [1]},
        {"set": ["seed=1\0"]},
        {"env": "CartPole-v1\0"},
        {"env": "CartPole-v1\ud800"},
        {"yaml": "env: \udfff"},
        {"set": ["seed=\ud800"]},
        {"unknown": "x"},
    ],
)
def test_what_is_no_wish_is_refused(wish):
    with pytest.raises(PageError):
        launch.parse_launch(wish)


@pytest.mark.parametrize("name", ["../out", "n" * 300, ".hidden", "mlflow.db", "one", "a/b"])
def test_a_name_that_a_run_cannot_have_is_refused_at_once(tmp_path, name):
    make_run(tmp_path, "one")
    with serving(tmp_path) as served:
        status, answer = served.post("start", {"env": "CartPole-v1", "name": name})
    assert status == 409 and name[:50] in answer["error"]


# Beginning to serve


def test_a_run_a_folder_or_a_name_says_what_to_show(tmp_path, monkeypatch):
    run = make_run(tmp_path / "runs", "mine")
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    assert find_runs(str(run), runs, False) == find_runs("mine", runs, False) == (runs, "mine")
    assert find_runs(str(runs), runs, False) == (runs, None)
    assert find_runs(None, runs, False) == (runs, None)
    assert find_runs("runs/unborn", runs, beside=True) == (runs, "unborn")
    fetched = tmp_path / "fetched"
    assert find_runs(f"file://{run}", fetched, False) == (fetched, "mine")
    assert (fetched / "mine" / "config.yaml").is_file()
    with pytest.raises(ConfigError, match="nowhere is neither a run nor a directory of runs"):
        find_runs("nowhere", runs, False)


def test_a_page_ends_though_its_training_had_ended_before_it_began(monkeypatch):
    """A training that is refused ends while its page still imports JAX."""
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(server.asyncio, "sleep", sleep)
    page = SimpleNamespace(should_exit=False)
    api = SimpleNamespace(live=SimpleNamespace(clients=[]))
    gone = os.getpid()  # no parent of this process
    asyncio.run(asyncio.wait_for(server._end_after_run(page, api, gone), 5.0))
    assert page.should_exit and sum(slept) == server.IDLE_SECONDS


def test_a_page_beside_a_run_is_announced_once_that_trains(tmp_path):
    """That of a refused command opened a browser on an older run of the same name."""
    folder, parent = RunDir(make_run(tmp_path, "mine")), os.getppid()
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(server._begun(folder, parent), 0.3))
    asyncio.run(asyncio.wait_for(server._begun(folder, os.getpid()), 5.0))  # it has ended
    folder.lock()
    asyncio.run(asyncio.wait_for(server._begun(RunDir(folder.path), parent), 5.0))
    folder.unlock()


def test_a_port_in_use_is_said_in_one_line(capsys, tmp_path):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert main(["watch", str(tmp_path), "--port", str(port), "--no-browser"]) == 2
    assert (
        capsys.readouterr().err
        == f"elsinore: --port {port} on 127.0.0.1 is in use; choose another, or 0 for any free"
        " port.\n"
    )


@pytest.mark.parametrize("argv", [["--port", "99999"], ["--host", "256.1.1.1"], ["--port", "-1"]])
def test_an_address_that_is_none_is_said_in_one_line(capsys, tmp_path, argv):
    assert main(["watch", str(tmp_path), "--no-browser", *argv]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to the superuser")
def test_a_folder_that_cannot_be_read_has_no_runs(tmp_path):
    tmp_path.chmod(0)
    try:
        assert RunsDirectory(tmp_path).names() == []
    finally:
        tmp_path.chmod(0o700)
