"""What cannot be shown is said in a line; the rest goes on."""

import contextlib
import csv
import io
import json
import os
import sqlite3

import numpy as np
import pytest

from elsinore.cli import main
from elsinore.config.parse import ConfigError
from elsinore.page import launch, run_list, run_status
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.server import find_runs, listen
from elsinore.runs import replays
from elsinore.runs.replays import EpisodeRecording
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import ChunkRecord, Store
from tests.page.conftest import TOKEN, as_if_trained, make_run, serving
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


def test_a_finished_run_shows_what_came_of_it(tmp_path):
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


def test_a_copy_on_a_disk_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    run = make_run(tmp_path, "copied")
    connect = sqlite3.connect

    def cannot_lock(address, **options):
        if "immutable" not in str(address):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **options)

    monkeypatch.setattr(sqlite3, "connect", cannot_lock)
    runs = RunsDirectory(tmp_path)
    with runs.database(runs.open(run.name)) as db:
        assert db.execute("SELECT count(*) FROM chunks").fetchone() == (10,)


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


# A run


def test_a_runs_page_has_its_config_plan_log_and_checkpoints(served):
    found = served.get("run", run="one")
    assert found["config"].startswith("env: CartPole-v1")
    assert found["plan"] == ["environment     CartPole-v1"]
    assert found["checkpoints"] == [] and len(found["log"]) == 2


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


# Replays


def film(run, name="0000000008-seed0.npz", **about) -> None:
    """A replay of two steps in a world that is no part of elsinore."""
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


def test_a_world_of_ones_own_is_made_only_for_who_may_act(tmp_path):
    film(make_run(tmp_path, "run"))
    with serving(tmp_path) as served:
        query = {"run": "run", "replay": "0000000008-seed0.npz"}
        assert b"needs the token" in served.ask("/api/replay", **query)[2]
        assert b"cannot be imported" in served.ask("/api/replay", **query, token=TOKEN)[2]


def test_of_several_agents_the_one_that_is_asked_for_is_looked_at(tmp_path):
    replays.write(make_run(tmp_path, "run") / "replays" / "0000000008-seed0.npz", walkers())
    with serving(tmp_path) as served:
        assert served.get("replays", run="run")[0]["agents"] == 3
        query = {"run": "run", "replay": "0000000008-seed0.npz", "token": TOKEN}
        titles = [
            served.get("replay", **query, **which)["scenes"][0]["title"]
            for which in ({}, {"agent": 2})
        ]
        assert ["agent_0 of 3" in titles[0], "agent_2 of 3" in titles[1]] == [True, True]
        assert b"it has agent_0 to agent_2" in served.ask("/api/replay", **query, agent=3)[2]


def test_a_replay_that_unpacks_to_more_than_fits_is_refused(tmp_path, monkeypatch):
    from elsinore.page import scenes

    monkeypatch.setattr(scenes, "MAX_BYTES", 100)
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
        {"unknown": "x"},
    ],
)
def test_what_is_no_wish_is_refused(wish):
    with pytest.raises(PageError):
        launch.parse_launch(wish)


# Beginning to serve


def test_a_run_a_folder_or_a_name_says_what_to_show(tmp_path, monkeypatch):
    run = make_run(tmp_path / "runs", "mine")
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    assert find_runs(str(run), runs, False) == find_runs("mine", runs, False) == (runs, "mine")
    assert find_runs(str(runs), runs, False) == (runs, None)
    assert find_runs(None, runs, False) == (runs, None)
    assert find_runs("runs/unborn", runs, beside=True) == (runs, "unborn")
    with pytest.raises(ConfigError, match="nowhere is neither a run nor a directory of runs"):
        find_runs("nowhere", runs, False)


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
