"""A run's folder with something else in the place of a file: no command waits for it, and none
writes through a link."""

import os
import shutil
from pathlib import Path

import pytest

from elsinore.cli import main
from elsinore.runs.run_dir import RunDir

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
