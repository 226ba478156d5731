"""A run's folder with something else in the place of a file: no command waits for it, and none
writes through a link."""

import errno
import fcntl
import os
import shutil
import threading
from pathlib import Path

import pytest

from elsinore.cli import main
from elsinore.errors import ConfigError
from elsinore.runs.files.durable import new_file
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import log, logging_to

pytestmark = pytest.mark.timeout(120)

MANIFEST = "checkpoints/latest/0000000040/manifest.json"
FILES = (
    ".lock",
    "summary.json",
    "metrics.jsonl",
    "metrics.sqlite",
    "metrics.sqlite-journal",
    MANIFEST,
)
KINDS = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "dangling link": lambda path: path.symlink_to(path.parent / "elsewhere"),
}


@pytest.fixture
def path(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def put(kind: str, path: Path) -> None:
    path.unlink(missing_ok=True)
    KINDS[kind](path)


@pytest.mark.parametrize("command", ["repair", "report", "checkpoints", "doctor"])
@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_the_place_of_a_file_keeps_nothing_waiting(
    path, name, command, capsys, monkeypatch
):
    monkeypatch.chdir(path.parent)
    put("pipe", path / name)
    assert main([command, "run"]) in (0, 1, 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_run_is_repaired_or_refused_and_nothing_is_made_elsewhere(path, name, kind, capsys):
    put(kind, path / name)
    assert main(["repair", str(path)]) == (2 if name == ".lock" else 0)
    assert not list(path.rglob("elsewhere"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_file_that_is_none_is_refused_and_holds_nothing(path, kind, capsys):
    put(kind, path / ".lock")
    assert not RunDir(path).is_locked()
    assert main(["sync", str(path)]) == 0  # a complete run is not locked for it
    assert main(["repair", str(path)]) == 2
    assert ".lock is no file, but a link, a pipe or a folder; remove it." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["metrics.sqlite", "metrics.sqlite-journal"])
def test_a_store_is_restored_where_a_pipe_is_in_its_place(path, name, capsys):
    put("pipe", path / name)
    assert main(["repair", str(path)]) == 0
    assert "damaged (metrics.sqlite" in (said := capsys.readouterr().out) and "is no file" in said
    assert main(["repair", str(path)]) == 0
    assert "nothing to repair" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_log_that_is_no_file_is_refused_and_the_run_is_not_held(path, kind, capsys):
    put(kind, path / "logs" / "train.log")
    argv = ["train", "--resume", str(path), "--env-steps", "6000"]
    assert main(argv) == 2
    assert (
        "logs/train.log cannot be written: it is no file of the run; remove"
        in capsys.readouterr().err
    )
    assert not RunDir(path).is_locked()


def test_a_run_without_its_folder_of_logs_gets_one(path):
    shutil.rmtree(path / "logs")
    with logging_to(path / "logs" / "train.log"):
        log.info("here")
    assert "here" in (path / "logs" / "train.log").read_text()


@pytest.mark.parametrize("name", ["summary.json", "config.yaml"])
def test_a_folder_in_the_place_of_an_unfinished_file_is_named(path, name):
    (path / f".{name}.unfinished").mkdir()
    with pytest.raises(ConfigError, match=rf"\.{name}\.unfinished is a folder, .*remove it"):
        new_file(path / f".{name}.unfinished")


def test_to_look_at_a_lock_is_neither_to_hold_it_nor_to_write_it(path, monkeypatch):
    run, flock = RunDir(path), fcntl.flock

    def of_nfs(file, kind):
        if kind & fcntl.LOCK_EX and not file.writable():
            raise OSError(errno.EBADF, "as of fcntl(2)")
        flock(file, kind)

    monkeypatch.setattr(fcntl, "flock", of_nfs)
    run.lock()
    assert RunDir(path).is_locked()
    run.unlock()
    with run.lock_file.open("rb") as another:
        fcntl.flock(another, fcntl.LOCK_SH)
        assert not RunDir(path).is_locked()


def test_a_look_at_a_lock_stops_no_training_from_taking_it(path):
    RunDir(path).lock_file.touch()
    with (path / ".lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.03, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        run = RunDir(path)
        run.lock()
        run.unlock()
