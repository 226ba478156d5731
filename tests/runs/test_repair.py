"""A damaged store is restored from metrics.jsonl as far as that is certain, and no further."""

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

import elsinore
from elsinore import cli
from elsinore.config.yaml_files import read_yaml, yaml_text
from elsinore.envs.object_names import OBJECT
from elsinore.runs.checkpoints.directory import list_checkpoints
from elsinore.runs.checkpoints.manifest import digest_of
from elsinore.runs.records import EPISODE_COUNT, Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import repair
from elsinore.runs.store.facts import COUNTS
from elsinore.runs.store.store import Store
from tests.read_only import read_only_copy
from tests.runs.conftest import assert_same_run, chunk_ends, rows_in


@pytest.fixture
def path(whole, tmp_path):
    """A copy of the whole run, killed before its summary."""
    path = shutil.copytree(whole, tmp_path / "whole")
    (path / "summary.json").unlink()
    return path


def damage(path) -> bytes:
    database = path / "metrics.sqlite"
    data = database.read_bytes()
    database.write_bytes(data[:100] + b"\xff" * (len(data) - 100))
    return database.read_bytes()


def edit_line(path, number: int, change) -> None:
    lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    lines[number] = change(lines[number])
    (path / "metrics.jsonl").write_text("".join(lines))


def repaired(path, capsys) -> str:
    assert cli.main(["repair", str(path)]) == 0
    return capsys.readouterr().out


def test_a_damaged_store_is_restored_whole_and_the_damaged_file_is_kept(path, whole, capsys):
    before = damage(path)
    said = repaired(path, capsys)
    assert "store: damaged (" in said
    assert "checkpoint latest/0000000036: whole" in said
    assert "restored: metrics.sqlite up to update 40 from metrics.jsonl, without times" in said
    assert (path / "metrics.sqlite.damaged-1").read_bytes() == before
    assert rows_in(path) == rows_in(whole)
    assert chunk_ends(path) == chunk_ends(whole)
    elsinore.resume(path)
    assert_same_run(path, whole)


def test_an_emptied_store_is_restored_too_and_the_run_goes_on_at_its_end(path, whole, capsys):
    (path / "metrics.sqlite").write_bytes(b"")
    assert "store: empty" in repaired(path, capsys)
    assert rows_in(path) == rows_in(whole)
    elsinore.resume(path)
    assert_same_run(path, whole)
    assert (
        "compiling, to resume from latest/0000000040" in (path / "logs" / "train.log").read_text()
    )


def test_a_store_behind_gets_the_chunks_it_lacks_and_keeps_what_it_has(path, whole, capsys):
    db = sqlite3.connect(path / "metrics.sqlite")
    with db:
        for table in ("metrics", "chunks"):
            db.execute(f"DELETE FROM {table} WHERE update_ > 20")
    kept = db.execute("SELECT * FROM chunks").fetchall()
    db.close()
    assert "readable, with every chunk up to update 20 of 40" in repaired(path, capsys)
    assert rows_in(path) == rows_in(whole)
    db = sqlite3.connect(path / "metrics.sqlite")
    assert db.execute("SELECT * FROM chunks WHERE update_ <= 20").fetchall() == kept
    assert db.execute("SELECT DISTINCT seconds FROM chunks WHERE update_ > 20").fetchall() == [(0,)]
    db.close()
    summary = elsinore.resume(path).summary  # whose speed is of the chunks that have times
    timed = sum(seconds * speed for *_, seconds, speed in kept)
    assert summary["steps_per_second"] == pytest.approx(timed / sum(chunk[3] for chunk in kept))


def test_a_repair_that_is_killed_leaves_the_old_store_or_the_new_one(path, whole, monkeypatch):
    """Of a store that has lost a fact, and whose chunks no line of metrics.jsonl holds."""
    (path / "metrics.jsonl").unlink()
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db, db:
        db.execute("DELETE FROM info WHERE name = 'updates_per_row'")

    def killed(*_, **__):
        raise KeyboardInterrupt

    for owner, name in ((repair, "fsync"), (os, "link"), (Path, "replace")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, name, killed)
            repair.repair(RunDir(path))
        assert rows_in(path) == rows_in(whole)
    repair.repair(RunDir(path))
    assert rows_in(path) == rows_in(whole) and facts_in(path)["updates_per_row"] > 0


def test_a_log_without_its_database_is_not_taken_for_the_new_ones(path, whole, capsys):
    log = path / "metrics.sqlite-wal"
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db:
        with db:
            db.execute("UPDATE metrics SET value = 7")
        kept = log.read_bytes()
    assert kept
    (path / "metrics.sqlite").unlink()
    log.write_bytes(kept)
    assert "restored: metrics.sqlite up to update 40" in repaired(path, capsys)
    assert rows_in(path) == rows_in(whole)
    assert (path / "metrics.sqlite.damaged-1-wal").read_bytes() == kept


@pytest.mark.parametrize(
    ("change", "until"),
    [
        (lambda line: line[: len(line) // 2], 20),
        (lambda line: json.dumps(json.loads(line) | {"loss/value": None}) + "\n", 20),
        (lambda line: json.dumps(json.loads(line) | {"env_steps": 1}) + "\n", 20),
        (lambda line: json.dumps(json.loads(line) | {"agent": ["a"]}) + "\n", 20),
        (lambda line: "[1]\n", 20),
        (lambda line: "\0" * len(line), 20),
        (lambda line: "", 20),
    ],
    ids=["torn", "not finite", "of another run", "of another type", "a list", "zeros", "left out"],
)
def test_rows_are_taken_up_to_the_chunk_of_the_first_line_that_is_not_certain(
    path, whole, capsys, change, until
):
    damage(path)
    edit_line(path, 20, change)  # two seeds, two rows a chunk: of the sixth chunk
    assert f"restored: metrics.sqlite up to update {until}" in repaired(path, capsys)
    assert rows_in(path) == [row for row in rows_in(whole) if row[0] <= until]
    elsinore.resume(path)
    assert_same_run(path, whole)


def test_a_chunk_without_one_of_its_rows_is_not_certain(path, capsys):
    damage(path)
    for _ in range(2):  # both seeds' lines of one update
        edit_line(path, 20, lambda line: "")
    assert "restored: metrics.sqlite up to update 20" in repaired(path, capsys)


def test_a_last_chunk_without_a_line_of_each_seed_is_not_certain(path, capsys):
    damage(path)
    lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (path / "metrics.jsonl").write_text("".join(lines[:-1]))
    assert "restored: metrics.sqlite up to update 36" in repaired(path, capsys)


def test_a_number_that_a_callback_logs_of_a_seed_that_has_stopped_is_no_sign_of_missing_rows():
    rows = [Row(at, seed, "", EPISODE_COUNT, 1.0) for at, seed in ((2, 0), (2, 1), (4, 0), (6, 0))]
    rows.append(Row(6, 1, "", "mine/number", 1.0))
    by_update = {at: [row for row in rows if row.update == at] for at in (2, 4, 6)}
    assert repair.certain_updates(by_update) == {2, 4}  # a last row may lack some


def facts_in(path) -> dict:
    with contextlib.closing(Store(path / "metrics.sqlite", read_only=True)) as store:
        return store.info()


FROM_THE_CONFIG = ("steps_per_update", "num_updates", "updates_per_row", "env", "algo", "seeds")


def test_a_missing_store_is_restored_with_its_facts_so_that_the_run_is_synced_and_resumed(
    whole, tmp_path, capsys
):
    path = shutil.copytree(whole, tmp_path / "whole")
    for file in path.glob("metrics.sqlite*"):
        file.unlink()
    said = repaired(path, capsys)
    assert "up to update 40 from metrics.jsonl, without times; a resumed run" in said
    assert said.endswith(f"then: elsinore sync {path}\n")
    then, now = facts_in(whole), facts_in(path)
    assert {name: now[name] for name in FROM_THE_CONFIG} == {n: then[n] for n in FROM_THE_CONFIG}
    assert now["run_id"] == then["run_id"]  # as its checkpoints record it
    assert cli.main(["train", "--resume", str(path)]) == 0
    assert cli.main(["sync", str(path)]) == 0
    assert facts_in(path)["sinks_done"] == "JSON lines"
    assert_same_run(path, whole)
    capsys.readouterr()
    assert repaired(path, capsys).endswith("nothing to repair\n")


def test_the_facts_of_a_run_of_an_object_are_those_of_its_settings(path, whole):
    config = read_yaml(path / "config.yaml")
    (path / "config.yaml").write_text(yaml_text(config | {"env": f"mine:Env{OBJECT}"}))
    for file in path.glob("metrics.sqlite*"):
        file.unlink()
    said = "\n".join(repair.repair(RunDir(path), trust=True))
    assert "restored: metrics.sqlite up to update 40 from metrics.jsonl" in said
    then, now = facts_in(whole), facts_in(path)
    assert {name: now[name] for name in COUNTS} == {name: then[name] for name in COUNTS}


def test_a_store_that_has_lost_its_facts_gets_them_again_and_keeps_its_chunks(
    whole, tmp_path, capsys
):
    path = shutil.copytree(whole, tmp_path / "whole")
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db, db:
        times = db.execute("SELECT * FROM chunks").fetchall()
        db.execute("DELETE FROM info WHERE name != 'format'")
    assert cli.main(["sync", str(path)]) == 2
    assert f"has no run_id; `elsinore repair {path}` gives it one" in capsys.readouterr().err
    assert "restored: metrics.sqlite up to update 40; a resumed" in repaired(path, capsys)
    assert facts_in(path)["run_id"] == facts_in(whole)["run_id"]
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db:
        assert db.execute("SELECT * FROM chunks").fetchall() == times
    assert cli.main(["sync", str(path)]) == 0


def test_a_run_id_that_no_checkpoint_records_is_a_new_one(path, whole, capsys):
    for found in list_checkpoints(path / "checkpoints"):
        manifest = {name: x for name, x in found.manifest.items() if name != "run_id"}
        manifest["digest"] = digest_of(manifest)
        (found.path / "manifest.json").write_text(json.dumps(manifest, indent=1))
    damage(path)
    assert "without times, with a new run_id;" in repaired(path, capsys)
    assert facts_in(path)["run_id"] != facts_in(whole)["run_id"]


def test_a_run_that_begins_anew_after_a_repair_is_another_run(path, whole, capsys):
    damage(path)
    (path / "metrics.jsonl").unlink()
    assert "begun anew, empty" in repaired(path, capsys)
    assert "run_id" not in facts_in(path)
    assert cli.main(["train", "--resume", str(path)]) == 0
    assert facts_in(path)["run_id"] != facts_in(whole)["run_id"]


def test_a_store_that_has_lost_one_fact_gets_it_again(path, capsys):
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db, db:
        db.execute("DELETE FROM info WHERE name = 'steps_per_update'")
    assert cli.main(["sync", str(path)]) == 2
    assert "has no steps_per_update; `elsinore repair" in capsys.readouterr().err
    repaired(path, capsys)
    assert facts_in(path)["steps_per_update"] > 0


def test_without_lines_the_run_begins_anew(path, whole, capsys):
    damage(path)
    (path / "metrics.jsonl").unlink()
    said = repaired(path, capsys)
    assert "metrics.jsonl: missing" in said
    assert "restored: metrics.sqlite up to update 0 (begun anew, empty)" in said
    elsinore.resume(path)
    assert_same_run(path, whole)


def test_lines_that_were_never_written_restore_nothing(path, capsys):
    damage(path)
    (path / "metrics.jsonl").write_text("")
    assert "restored: metrics.sqlite up to update 0 (begun anew" in repaired(path, capsys)


def test_a_whole_run_is_left_as_it_is(whole, capsys):
    before = (whole / "metrics.sqlite").read_bytes()
    said = repaired(whole, capsys)
    assert said.endswith("nothing to repair\n")
    assert (whole / "metrics.sqlite").read_bytes() == before
    assert not list(whole.glob("metrics.sqlite.damaged*"))


def test_a_store_of_a_newer_format_is_left_as_it_is(path, capsys):
    db = sqlite3.connect(path / "metrics.sqlite")
    with db:
        db.execute("UPDATE info SET value = 2 WHERE name = 'format'")
    db.close()
    assert cli.main(["repair", str(path)]) == 2
    assert "use the elsinore that made it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ("JSON lines", "JSON lines (complete), MLflow (incomplete)"),
        ("", "JSON lines (incomplete), MLflow (incomplete)"),
        (None, "JSON lines (not known), MLflow (not known)"),
    ],
)
def test_every_sink_of_the_config_is_listed_with_its_condition(path, capsys, done, expected):
    config = read_yaml(path / "config.yaml")
    config["sinks"]["mlflow"]["enabled"] = True
    (path / "config.yaml").write_text(yaml_text(config))
    if done is None:
        damage(path)
    else:
        with contextlib.closing(Store(path / "metrics.sqlite")) as store:
            store.describe(sinks_done=done)
    assert f"\nsinks: {expected}\n" in repaired(path, capsys)


def test_the_command_to_go_on_with_is_of_what_is_left(whole, tmp_path, capsys, monkeypatch):
    path = shutil.copytree(whole, tmp_path / "whole")
    with contextlib.closing(Store(path / "metrics.sqlite")) as store:
        store.describe(sinks_done="")
    assert repaired(path, capsys).endswith(f"then: elsinore sync {path}\n")
    config = read_yaml(path / "config.yaml")
    config["sinks"] |= {"tensorboard": True}
    (path / "config.yaml").write_text(yaml_text(config))
    with contextlib.closing(Store(path / "metrics.sqlite")) as store:
        store.describe(sinks_done="JSON lines")
    monkeypatch.setattr("elsinore.runs.store.repair.has_extra", lambda extra: False)
    said = repaired(path, capsys)
    assert "TensorBoard (not installed: elsinore[tensorboard])" in said
    assert "then:" not in said
    (path / "summary.json").unlink()
    assert repaired(path, capsys).endswith(f"then: elsinore train --resume {path}\n")


def test_what_an_earlier_repair_kept_is_not_replaced(path, capsys):
    for text in (b"first", b"second"):
        (path / "metrics.sqlite").unlink()
        (path / "metrics.sqlite-wal").write_bytes(text)
        repaired(path, capsys)
    kept = [(path / f"metrics.sqlite.damaged-{i}-wal").read_bytes() for i in (1, 2)]
    assert kept == [b"first", b"second"]


@pytest.mark.parametrize("command", [["repair"], ["train", "--resume"]])
def test_a_run_that_cannot_be_written_is_refused_by_its_folder(path, capsys, command):
    with read_only_copy(path) as copy:
        assert cli.main([*command, str(copy)]) == 2
        assert f"{copy} cannot be written: Permission denied; copy" in capsys.readouterr().err
        assert not RunDir(copy).is_locked()


# Stores that a run would not write

ODD = {
    "info.num_updates='x' is no fact": "UPDATE info SET value = 'x' WHERE name = 'num_updates'",
    "info.updates_per_row=0 is no": "UPDATE info SET value = 0 WHERE name = 'updates_per_row'",
    "info.extra_ends='[[' is no": "UPDATE info SET value = '[[' WHERE name = 'extra_ends'",
    "info.sinks_done=3 is no": "UPDATE info SET value = 3 WHERE name = 'sinks_done'",
    "info.last_event='x' is no": "REPLACE INTO info VALUES ('last_event', 'x')",
    "metrics has a row of other types": "UPDATE metrics SET value = 'x' WHERE update_ = 4",
    "chunks has a row of other types": "UPDATE chunks SET seconds = NULL",
}
LOOKS = (["doctor"], ["checkpoints"], ["train", "--resume"])


@pytest.mark.parametrize("why", ODD)
def test_a_store_with_a_value_that_no_run_writes_is_named_and_restored(path, whole, capsys, why):
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db, db:
        db.execute(ODD[why])
    seen = [cli.main([*look, str(path)]) for look in LOOKS]
    said = capsys.readouterr().err
    assert 2 in seen
    assert set(seen) <= {0, 2}
    assert why in said
    assert f"restore it with `elsinore repair {path}`" in said
    assert f"store: damaged ({why}" in repaired(path, capsys)
    assert rows_in(path) == rows_in(whole)
    assert cli.main(["train", "--resume", str(path)]) == 0


def test_a_store_whose_facts_say_endless_chunks_is_not_laid_out(path, capsys):
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db, db:
        db.execute("UPDATE info SET value = ? WHERE name LIKE '%updates%'", (2**52,))
    assert "every row up to update 0 of" in repaired(path, capsys)


def test_an_action_that_no_run_takes_is_named(path, capsys):
    with contextlib.closing(sqlite3.connect(path / "metrics.sqlite")) as db, db:
        db.execute("INSERT INTO events VALUES (1.0, 4, 'action', '[1]')")
    assert cli.main(["train", "--resume", str(path)]) == 2
    assert "an event of an action that no run takes, '[1]'" in capsys.readouterr().err
