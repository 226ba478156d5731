"""No run is finished, and none goes on, with chunks that its store does not hold."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import elsinore
from elsinore import cli
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import manager as checkpoint_manager
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store, StoreBehind
from elsinore.runs.summary import is_finished
from elsinore.runs.summary_shape import unusable_part
from tests.runs.conftest import assert_same_run, chunk_ends, count_in_log, rows_in, train_tiny

FORMAT1 = Path(__file__).parents[1] / "data" / "runs" / "format1"
SAVE_ALWAYS = {"checkpoints.interval_seconds": 0}
OF_ANOTHER_PROCESS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(whole, tmp_path):
    """A copy of the whole run, to be damaged."""
    return shutil.copytree(whole, tmp_path / "whole")


def forget(path, update: int) -> None:
    """A store that was restored from a backup."""
    store = Store(path / "metrics.sqlite")
    store.forget_after(update)
    store.close()


def events_of(path) -> list[str]:
    db = sqlite3.connect(path / "metrics.sqlite")
    found = [text for (text,) in db.execute("SELECT text FROM events ORDER BY at")]
    db.close()
    return found


# The end of a run


def locked_from(update: int, monkeypatch) -> None:
    """The database is locked when this chunk comes, and stays so."""
    write = Store.write

    def locked(self, record):
        if record.update >= update:
            raise sqlite3.OperationalError("database is locked")
        write(self, record)

    monkeypatch.setattr(Store, "write", locked)
    monkeypatch.setattr(checkpoint_manager, "LAST_WAIT", 0.1)


def test_a_run_whose_store_cannot_be_written_at_its_end_is_not_finished_and_loses_nothing(
    tmp_path, whole, monkeypatch
):
    with monkeypatch.context() as patch, pytest.raises(StoreBehind, match="lacks chunks up to"):
        locked_from(32, patch)
        train_tiny(tmp_path, "whole", SAVE_ALWAYS)
    path = tmp_path / "whole"
    assert not (path / "summary.json").exists()
    assert checkpoint_choice.newest(path / "checkpoints").update <= chunk_ends(path)[-1][0] == 28
    assert not RunDir(path).is_locked()
    assert elsinore.resume(path).summary["stopped_by"] == "budget"
    assert_same_run(path, whole)


@pytest.mark.slow
def test_a_run_whose_store_is_slower_than_its_training_waits_for_it_at_its_end(
    tmp_path, whole, monkeypatch
):
    write = Store.write

    def slow(self, record):
        time.sleep(0.8)
        write(self, record)

    monkeypatch.setattr(Store, "write", slow)
    monkeypatch.setattr(checkpoint_manager, "LAST_WAIT", 0.1)
    run = train_tiny(tmp_path, "slow", {"checkpoints.period": 0, "checkpoints.best": 0})
    assert rows_in(run.path) == rows_in(whole)


def test_on_the_command_line_that_is_one_message_and_exit_code_1(tmp_path, monkeypatch, capsys):
    def behind(*_, **__):
        raise StoreBehind("metrics.sqlite in r cannot be written")

    monkeypatch.setattr(elsinore.runs.api, "resume", behind)
    assert cli.main(["train", "--resume", "r"]) == 1
    assert capsys.readouterr().err == "elsinore: metrics.sqlite in r cannot be written\n"


def test_a_store_that_can_be_written_again_in_time_ends_the_run_as_ever(
    tmp_path, whole, monkeypatch
):
    write, failures = Store.write, []

    def locked_for_a_while(self, record):
        if record.update == 40 and len(failures) < 3:  # for longer than a save would wait
            failures.append(record)
            raise sqlite3.OperationalError("database is locked")
        write(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", locked_for_a_while)
        train_tiny(tmp_path, "whole", SAVE_ALWAYS)
    assert len(failures) == 3
    assert_same_run(tmp_path / "whole", whole)


# A store behind its checkpoints, at resume


@pytest.mark.parametrize(
    ("damage", "begins_after"),
    [
        (lambda path: (path / "metrics.sqlite").write_bytes(b""), 0),
        (lambda path: forget(path, 26), 24),
    ],
    ids=["emptied", "restored from a backup"],
)
@pytest.mark.parametrize("finished", [True, False])
def test_a_run_goes_on_from_the_newest_checkpoint_that_its_store_covers(
    path, whole, damage, begins_after, finished
):
    damage(path)
    for name in ("metrics.sqlite-wal", "metrics.sqlite-shm"):
        (path / name).unlink(missing_ok=True)
    if not finished:
        (path / "summary.json").unlink()
    assert not is_finished(RunDir(path))
    assert elsinore.resume(path).summary["stopped_by"] == "budget"
    assert_same_run(path, whole)
    (event,) = [text for text in events_of(path) if "and the checkpoint" in text]
    assert event.startswith(f"from update {begins_after}, since metrics.sqlite holds the chunks")
    assert count_in_log(path, f"resuming {event}") == 1
    assert is_finished(RunDir(path))


# A store that cannot be used


def overwrite(path, at: float, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(int(at * path.stat().st_size))
        file.write(data)


def folder_in_place_of(path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {
    "header": lambda path: overwrite(path, 0.0, b"\0" * 100),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "middle": lambda path: overwrite(path, 0.4, b"\xff" * (path.stat().st_size // 3)),
    "folder": folder_in_place_of,
}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_refused_with_a_way_out(path, capsys, damage, finished):
    DAMAGES[damage](path / "metrics.sqlite")
    if not finished:
        (path / "summary.json").unlink()
    assert cli.main(["train", "--resume", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"elsinore: {path}/metrics.sqlite cannot be used (")
    assert said[-1].endswith(f"restore it with `elsinore repair {path}`.")
    assert len(said) == 1
    assert not RunDir(path).is_locked()


@pytest.mark.slow
def test_a_store_that_another_process_has_locked_is_refused(path, capsys):
    (path / "summary.json").unlink()
    rows = rows_in(path)
    args = [sys.executable, "-c", OF_ANOTHER_PROCESS, str(path / "metrics.sqlite")]
    pipe = subprocess.PIPE
    with subprocess.Popen(args, text=True, stdin=pipe, stdout=pipe) as other:
        assert other.stdout.readline() == "locked\n"
        assert cli.main(["train", "--resume", str(path)]) == 2
        said = capsys.readouterr().err
        other.communicate("")
    assert "metrics.sqlite is locked by another process" in said
    assert "Traceback" not in said
    assert rows_in(path) == rows


def test_a_store_of_a_newer_format_is_refused_at_resume(path, capsys):
    db = sqlite3.connect(path / "metrics.sqlite")
    with db:
        db.execute("UPDATE info SET value = 2 WHERE name = 'format'")
    db.close()
    assert cli.main(["train", "--resume", str(path)]) == 2
    assert "has format 2, and this elsinore reads 1" in capsys.readouterr().err


def test_a_run_without_checkpoints_names_no_option_that_was_not_given(path, capsys):
    for kind in ("latest", "best"):
        shutil.rmtree(path / "checkpoints" / kind)
    assert cli.main(["evaluate", str(path)]) == 2
    err = capsys.readouterr().err
    assert "has no checkpoint of its best or latest state; train it further, or name another" in err
    assert "another (--checkpoint, or --from RUN@NAME; in Python, checkpoint, policy or fr" in err
    assert "of periodic/0000000036" in err and "'latest'" not in err
    shutil.rmtree(path / "checkpoints")
    assert cli.main(["evaluate", str(path)]) == 2
    assert f"or bring {path}/checkpoints back.\n" in capsys.readouterr().err


def test_a_run_before_its_first_chunk_has_lost_no_checkpoint(path, capsys):
    shutil.rmtree(path / "checkpoints")
    (path / "summary.json").unlink()
    db = sqlite3.connect(path / "metrics.sqlite")
    with db:
        db.execute("DELETE FROM chunks")
    db.close()
    folder = RunDir(path)
    folder.lock()
    assert cli.main(["evaluate", str(path)]) == 2
    assert "has no checkpoint yet; wait for its first chunk.\n" in capsys.readouterr().err
    folder.unlock()
    for command in (["play", str(path)], ["train", "--from", str(path)]):
        assert cli.main(command) == 2
        resume = f"it does not train; resume it with `elsinore train --resume {path}`"
        assert f"has no checkpoint yet; {resume}.\n" in capsys.readouterr().err
    (path / "metrics.sqlite").unlink()
    with pytest.raises(elsinore.ConfigError, match="has no checkpoint yet; it does not train"):
        elsinore.load(path).checkpoint()


# A summary that is none


@pytest.mark.parametrize("text", ["", "{", "\0", "[1]", "null", "3", "{}"])
def test_a_summary_that_is_no_object_is_refused_with_a_way_out(path, capsys, text):
    (path / "summary.json").write_text(text)
    assert cli.main(["train", "--resume", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"elsinore: {path}/summary.json is not a summary (a JSON object); remove it, and make it"
        f" again with `elsinore train --resume {path}`.\n"
    )


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({}, None),
        ({"seeds": 10**12}, "eval_return.per_seed"),
        ({"members": [{}, {}]}, "eval_return.per_seed"),
        ({"env_steps_per_seed": []}, "env_steps_per_seed"),
        ({"plateau_at_env_steps": [None] * 9}, "plateau_at_env_steps"),
    ],
)
def test_a_summary_has_an_entry_for_each_seed_that_it_names(change, part):
    """Readers give each entry a name: of very many seeds without entries, that takes all memory."""
    assert unusable_part(json.loads((FORMAT1 / "summary.json").read_text()) | change) == part


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda summary: {"stopped_by": "budget", "updates": 1}, "env"),
        (lambda summary: summary | {"env_steps": "many"}, "env_steps"),
        (lambda summary: summary | {"updates": None}, "updates"),
        (lambda summary: summary | {"eval_return": [1.0]}, "eval_return"),
        (lambda summary: summary | {"eval_return": {"mean": 1.0}}, "eval_return.iqm"),
        (lambda summary: summary | {"seeds": 10**12}, "eval_return.per_seed"),
    ],
)
def test_a_summary_of_another_shape_is_refused_with_the_same_way_out(
    whole, tmp_path, capsys, change, part
):
    path = shutil.copytree(whole, tmp_path / "whole")
    summary = json.loads((path / "summary.json").read_text())
    (path / "summary.json").write_text(json.dumps(change(summary)))
    assert cli.main(["train", "--resume", str(path)]) == 2
    assert capsys.readouterr().err == (
        f"elsinore: {path}/summary.json is not a summary (it has no usable {part}); remove it, and"
        f" make it again with `elsinore train --resume {path}`.\n"
    )
