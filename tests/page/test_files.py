"""The page opens files of the folder of runs, and no others."""

import json
import os
import shutil
import sys

import numpy as np
import pytest

from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.scenes import Scenes
from elsinore.runs.replays import files as replays
from elsinore.runs.replays.recording import EpisodeRecording
from tests.page.conftest import TOKEN, as_if_trained, make_run, next_message, serving, watch

SECRET = "a secret of another folder"
REPLAY = "0000000008-seed0.npz"
CHECKPOINT = "checkpoints/latest/0000000008"
READING = ("open", "os.listdir", "os.scandir", "sqlite3.connect")

opened: list[str] | None = None


@sys.addaudithook  # there is no way to take one away
def note(event: str, args: tuple) -> None:
    if opened is not None and event in READING and isinstance(args[0], str | os.PathLike):
        opened.append(os.fspath(args[0]).removeprefix("file://").partition("?")[0])


@pytest.fixture
def noted():
    """The paths that this process opens or lists."""
    global opened
    opened = []
    yield opened
    opened = None


def write_replay(run, name=REPLAY, **about) -> None:
    header = {"format": 1, "env": "CartPole-v1", "env_kwargs": {}, "length": 2, "return": 3.0}
    arrays = {name: np.zeros(2) for name in ("action", "reward", "terminated", "truncated")}
    replays.write(run / "replays" / name, EpisodeRecording(header | about, arrays))


def whole_run(top, name):
    """A run with every file that the page reads, `SECRET` in each text."""
    run = make_run(top, name, env=SECRET)
    (run / "summary.json").write_text(json.dumps({"stopped_by": SECRET}))
    (run / "config.yaml").write_text(f"env: {SECRET}")
    (run / "logs" / "train.log").write_text(SECRET)
    (run / CHECKPOINT).mkdir(parents=True)
    (run / CHECKPOINT / "manifest.json").write_text(json.dumps({"update": 8, "metric": SECRET}))
    write_replay(run, algo=SECRET)
    return run


def look_at(served, name: str) -> bytes:
    """Everything that the server says of a run."""
    said = b""
    for what in ("runs", "skipped", "run", "curves", "csv", "replays"):
        said += served.ask(f"/api/{what}", run=name)[2]
    for token in ("", TOKEN):
        said += served.ask("/api/replay", run=name, replay=REPLAY, token=token)[2]
    said += served.ask("/api/control", "POST", run=name, command="save", token=TOKEN)[2]
    with served.live() as line:
        watch(line, {"run": name}, list=True)
        return said + json.dumps(next_message(line, "runs")).encode()


def test_these_are_all_the_files_of_a_run_that_are_opened(tmp_path, noted):
    whole_run(tmp_path, "run")
    with serving(tmp_path) as served:
        noted.clear()
        look_at(served, "run")
        found = {os.path.relpath(path, tmp_path) for path in noted if "/run" in path}
    assert {path for path in found if not path.startswith("..")} == {
        *("run/config.yaml", "run/summary.json", "run/metrics.sqlite", "run/logs/train.log"),
        "run/.lock",
        *(f"run/checkpoints/{kind}" for kind in ("latest", "best", "periodic", "emergency")),
        *(f"run/{CHECKPOINT}/manifest.json", "run/replays", f"run/replays/{REPLAY}"),
    }


LINKED = [
    *("config.yaml", "summary.json", "metrics.sqlite", "metrics.sqlite-wal", "metrics.sqlite-shm"),
    *("metrics.sqlite-journal", "logs", "logs/train.log", "control.sock", ".lock", "replays"),
    *(f"replays/{REPLAY}", "checkpoints", "checkpoints/latest", CHECKPOINT),
    *(f"{CHECKPOINT}/manifest.json", ""),
]


@pytest.mark.parametrize("what", LINKED, ids=lambda what: what or "the run")
def test_a_link_at_any_depth_of_a_run_is_not_followed(tmp_path, noted, what):
    outside = whole_run(tmp_path / "outside", "run")
    (tmp_path / "runs").mkdir()
    run = tmp_path / "runs" / "run"
    shutil.copytree(make_run(tmp_path / "plain", "run"), run)
    (run / CHECKPOINT).mkdir(parents=True)
    (run / "replays").mkdir()
    if (target := run / what).is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    with as_if_trained(outside), serving(tmp_path / "runs") as served:
        for name in ("metrics.sqlite-wal", "metrics.sqlite-shm", "metrics.sqlite-journal"):
            (outside / name).touch()
        target.symlink_to(outside / what)
        noted.clear()
        said = look_at(served, "run")
    assert SECRET.encode() not in said
    if what.startswith("metrics.sqlite"):  # SQLite opens the files beside it by itself
        assert f"{what} leads out of its run".encode() in said
    assert not [path for path in noted if os.path.realpath(path).startswith(str(outside))]


@pytest.mark.parametrize("alias", ["run/", "./run", "run//", "x/../run", "link", "/run", "run/."])
def test_a_run_has_one_name(tmp_path, alias):
    make_run(tmp_path, "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with serving(tmp_path) as served:
        assert served.ask("/api/run", run="run")[0] == 200
        assert served.ask("/api/run", run=alias)[0] == 404


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "summary.json",
        "logs/train.log",
        "metrics.sqlite",
        "metrics.sqlite-journal",
        f"replays/{REPLAY}",
    ],
)
def test_a_pipe_in_place_of_a_file_blocks_no_reader(tmp_path, name):
    run = whole_run(tmp_path, "run")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    with serving(tmp_path) as served:
        look_at_what = served.ask("/api/run", run="run")[0]
        assert look_at_what == (404 if name == "config.yaml" else 200)
        served.ask("/api/replay", run="run", replay=REPLAY, token=TOKEN)


# Files that a replay names


def test_a_replay_names_no_file_outside_the_folder_to_who_has_no_token(tmp_path, noted):
    other = tmp_path / "other.yaml"
    other.write_text("password: hunter2")
    run = make_run(tmp_path / "runs", "run")
    for i, about in enumerate(
        [
            {"env": "Hamlet-custom", "env_kwargs": {"profile": str(other)}},
            {"env": "Hamlet-custom", "env_kwargs": {"profile": os.path.relpath(other)}},
            {"env": "Hamlet-custom", "env_kwargs": {"profile": str(run / ".." / "link")}},
            {"env": "Cache-trace", "env_kwargs": {"trace": "/etc/passwd"}},
            {"env": "CartPole-v1", "env_kwargs": {"deep": [{"er": str(other)}]}},
            {"env": "MNISTBandit-bsuite"},
            {"env": "DeepSea-bsuite", "env_kwargs": {"size": 40_000}},  # some 20 GB
        ]
    ):
        write_replay(run, f"{i}.npz", **about)
    (run.parent / "link").symlink_to(other)
    with serving(tmp_path / "runs") as served:
        for i in range(7):
            noted.clear()
            status, _, said = served.ask("/api/replay", run="run", replay=f"{i}.npz")
            assert status == 404 and b"it needs the token" in said
            assert str(other) not in noted and "/etc/passwd" not in noted


def test_what_a_named_file_holds_is_in_no_message(tmp_path):
    """Neither to who has the token nor of a file in the folder."""
    other = tmp_path / "other.yaml"
    other.write_text("password: hunter2")
    run = make_run(tmp_path / "runs", "run")
    (run / "inside.yaml").write_text("password: hunter2")
    for i, path in enumerate((other, run / "inside.yaml")):
        write_replay(run, f"{i}.npz", env="Hamlet-custom", env_kwargs={"profile": str(path)})
    with serving(tmp_path / "runs") as served:
        for query in ({"replay": "0.npz", "token": TOKEN}, {"replay": "1.npz"}):
            said = served.ask("/api/replay", run="run", **query)[2]
            assert b"`elsinore play` says why" in said and b"hunter2" not in said


def test_a_replays_header_is_sent_without_secrets_and_may_be_nested(tmp_path):
    run = make_run(tmp_path, "run")
    write_replay(run, "1.npz", env_kwargs={"token": "hunter2"})
    about = '{"format": 1, "env": "CartPole-v1", "length": 2, "return": 0, "env_kwargs": %s}'
    with (run / "replays" / "2.npz").open("wb") as file:
        np.savez(file, about=np.array(about % ("[" * 5000 + "]" * 5000)))
    with serving(tmp_path) as served:
        assert b"hunter2" not in served.ask("/api/replays", run="run")[2]
        first, second = served.get("replays", run="run")
        assert first["env_kwargs"] == {"token": "***"} and second["error"]
        assert served.ask("/api/replay", run="run", replay="2.npz")[0] == 404


def test_settings_that_only_look_odd_name_no_file(tmp_path):
    run = make_run(tmp_path, "run")
    about = {"env": "Hamlet-L1", "env_kwargs": {"view": "5x5", "reward": "sparse"}}
    write_replay(run, **about)
    with serving(tmp_path) as served:
        said = served.ask("/api/replay", run="run", replay=REPLAY)[2]
        assert b"was made with another version of that environment" in said


def test_a_replay_that_goes_while_it_is_read_is_none(tmp_path, monkeypatch):
    run = make_run(tmp_path, "one")
    write_replay(run)
    about = replays.about

    def about_then_gone(path):
        found = about(path)
        path.unlink()
        return found

    monkeypatch.setattr(replays, "about", about_then_gone)
    with pytest.raises(PageError, match="there is no replay"):
        Scenes(RunsDirectory(tmp_path)).scenes("one", REPLAY, 0, None, trusted=True)


# Folders that are not listed


def test_a_folder_that_is_not_listed_is_named_with_the_reason(tmp_path):
    for name in ("plain", ".hidden", "...", ".unborn.3f9a0c12b4de", "a\nb", "no-config"):
        make_run(tmp_path / "runs", name)
    (tmp_path / "runs" / "no-config" / "config.yaml").unlink()
    (tmp_path / "runs" / "no-config" / "config.yaml").mkdir()
    (tmp_path / "runs" / "link").symlink_to(make_run(tmp_path, "elsewhere"))
    (tmp_path / "runs" / "loop").symlink_to("loop")
    (tmp_path / "runs" / "gone").symlink_to("/mnt/gone")
    (tmp_path / "runs" / "notes").mkdir()
    runs = RunsDirectory(tmp_path / "runs")
    assert runs.names() == ["plain"]
    found = runs.skipped()
    assert set(found) == {".hidden", "...", "a\\nb", "no-config", "link", "loop", "gone"}
    assert found["loop"] == found["gone"] == "it is a link to what is not there."
    assert "begins with a dot" in found["..."] and "is a link" in found["link"]
    with serving(tmp_path / "runs") as served, served.live() as line:
        assert served.get("skipped") == found
        watch(line, list=True)
        assert next_message(line, "skipped") == found
