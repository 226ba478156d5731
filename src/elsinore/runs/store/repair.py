"""Repair of a run whose metrics.sqlite is damaged, missing or incomplete.

Rows are taken from metrics.jsonl, which has the same numbers, up to the first chunk of which not
every row is certain. A resumed run computes the rest again. Facts that the store has lost follow
from config.yaml, and `run_id` from a checkpoint: by it MLflow and the run's copy elsewhere know it.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from elsinore.config.extras import has_extra
from elsinore.config.plan import plan_for
from elsinore.envs.object_names import OBJECT
from elsinore.errors import ConfigError, quoted
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.files.durable import fsync, new_file
from elsinore.runs.records import EPISODE_COUNT, ChunkRecord, Row
from elsinore.runs.run_dir import RunDir
from elsinore.runs.sinks.jsonl import JSONLinesSink
from elsinore.runs.sinks.mlflow import MLflowSink
from elsinore.runs.sinks.remote import RemoteSink
from elsinore.runs.sinks.tensorboard import TensorBoardSink
from elsinore.runs.sinks.wandb import WandbSink
from elsinore.runs.store.facts import COUNTS, facts_of_plan, facts_of_settings, schedule_in
from elsinore.runs.store.store import BESIDE_DATABASE, BrokenStore, Store, reading
from elsinore.runs.summary import is_finished, read_summary
from elsinore.runs.trust.trust import Trust

NO_NUMBERS = ("update", "env_steps", "seed", "agent")
NEEDED_FACTS = {"run_id", *COUNTS}


class StoreState(NamedTuple):
    """The condition of a metrics.sqlite."""

    text: str
    usable: bool
    covered: int  # every chunk up to this update is there
    info: dict[str, Any]  # as far as it can be read


def repair(folder: RunDir, trust: Trust = False) -> list[str]:
    """Restore metrics.sqlite where it lacks chunks or cannot be read; the report, line by line.

    Args:
        folder: the run's.
        trust: import code that the run names, though this user did not make it, where the ends of
            chunks follow from the config alone.

    Raises:
        ConfigError: if another process trains the run, or has locked the database.
    """
    folder.lock()
    try:
        state = state_of(folder.database)
        lines = lines_of(folder, state.info)
        try:
            facts = facts_for(folder, state.info, trust)
            records, text = records_in(folder, facts)
        except ConfigError as error:
            facts, records = state.info, []
            text = f"not used, since the ends of chunks are not known: {error}"
        known = records[-1].update if records else 0
        report = [f"store: {state.text}", *lines, f"metrics.jsonl: {text}"]
        known_facts = state.info.keys() >= NEEDED_FACTS
        lacks_facts = bool(state.covered) and facts.keys() >= set(COUNTS) and not known_facts
        if not state.usable or known > state.covered or lacks_facts:
            report += restore_store(folder, state, facts, records)
        else:
            report.append("nothing to repair")
        return [*report, *next_command(folder, state)]
    finally:
        folder.unlock()


def next_command(folder: RunDir, state: StoreState) -> list[str]:
    """The line that names the command to continue with; none for a run that lacks nothing."""
    with contextlib.suppress(ConfigError):
        if is_finished(folder):
            sinks = sinks_in(folder, state.info)
            pending = "(incomplete)" in sinks or "(not known)" in sinks
            return [f"then: elsinore sync {quoted(folder.path)}"] if pending else []
    return [f"then: elsinore train --resume {quoted(folder.path)}"]


def state_of(database: Path) -> StoreState:
    """The condition of a database, or of what is in its place."""
    if not database.exists():
        return StoreState("missing", False, 0, {})
    info: dict[str, Any] = {}
    try:
        with reading(database) as store:
            if store.format() is None:
                return StoreState("empty", False, 0, {})
            info = store.info()
            store.check()
            covered = store.covered()
            store.chunks()
            for _ in store.pages(-1):
                pass  # every row can be read
    except BrokenStore as error:
        if not _is_damaged(error):
            raise
        return StoreState(f"damaged ({error.__cause__})", False, 0, info)
    return StoreState(
        f"readable, with every chunk up to update {covered} of {info.get('num_updates', '?')}",
        True,
        covered,
        info,
    )


def _is_damaged(error: BrokenStore) -> bool:
    """False for a database that is locked or of another format, which is left alone."""
    code = getattr(error.__cause__, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return error.__cause__ is not None and code & 0xFF != sqlite3.SQLITE_BUSY


def lines_of(folder: RunDir, info: dict[str, Any]) -> list[str]:
    """The condition of checkpoints, summary and sinks."""
    found = checkpoints.list_checkpoints(folder.checkpoints)
    lines = [
        f"checkpoint {c.name}: {'whole' if checkpoints.is_whole(c) else 'broken'}" for c in found
    ]
    try:
        summary = read_summary(folder.summary).get("stopped_by", "none")
    except ConfigError as error:
        summary = str(error)
    return [
        *(lines or ["checkpoints: none"]),
        f"summary: {summary}",
        f"sinks: {sinks_in(folder, info)}",
    ]


def sinks_in(folder: RunDir, info: dict[str, Any]) -> str:
    """The sinks that the config enables, each with its condition: complete once it was closed."""
    try:
        on = folder.recorded().sinks
    except ConfigError as error:
        return f"not known, since config.yaml cannot be read: {error}"
    enabled = {
        JSONLinesSink.name: on.jsonl,
        TensorBoardSink.name: on.tensorboard,
        MLflowSink.name: on.mlflow.enabled,
        WandbSink.name: on.wandb.enabled,
        RemoteSink.name: on.remote.url is not None,
    }
    # absent where the store cannot be read, and of older runs
    recorded: str | None = info.get("sinks_done")
    conditions = dict.fromkeys((recorded or "").split(", "), "complete")
    otherwise = "not known" if recorded is None else "incomplete"
    if not has_extra("tensorboard"):
        conditions.setdefault(TensorBoardSink.name, "not installed: elsinore[tensorboard]")
    names = [name for name, is_on in enabled.items() if is_on]
    return ", ".join(f"{name} ({conditions.get(name, otherwise)})" for name in names) or "none"


def facts_for(folder: RunDir, info: dict[str, Any], trust: Trust = False) -> dict[str, Any]:
    """The facts of a store, with those that it lacks as the config gives them, and `run_id` as the
    newest whole checkpoint does; the commit is not known.

    Raises:
        ConfigError: if facts are lost and the config cannot be planned.
    """
    if info.keys() >= NEEDED_FACTS:
        return info
    experiment = folder.experiment(trust)
    if experiment.env.endswith(OBJECT) and experiment.stop.episodes is None:
        found = facts_of_settings(experiment)
    else:
        found = facts_of_plan(plan_for(experiment))
    return {"commit": "", **found} | _recorded_id(folder) | info


def _recorded_id(folder: RunDir) -> dict[str, str]:
    """The `run_id` that the newest whole checkpoint records, by its name; nothing without one."""
    for found in checkpoints.list_checkpoints(folder.checkpoints):
        if isinstance(run_id := found.manifest.get("run_id"), str) and checkpoints.is_whole(found):
            return {"run_id": run_id}
    return {}


def records_in(folder: RunDir, facts: dict[str, Any]) -> tuple[list[ChunkRecord], str]:
    """The chunks of which metrics.jsonl has every row for certain, and a description of them."""
    if not folder.jsonl.is_file():
        return [], "missing"
    schedule, steps = schedule_in(facts), facts["steps_per_update"]
    rows: dict[int, list[Row]] = {}
    broken = ""
    for number, line in enumerate(folder.jsonl.read_bytes().split(b"\n")[:-1], 1):
        try:
            found = rows_of_line(line, steps)
        except (ValueError, KeyError, TypeError) as error:
            broken = f"; line {number} cannot be taken exactly ({error})"
            break
        rows.setdefault(found[0].update, []).extend(found)
    # a new stage of a curriculum has a row at its own update, which may end none
    certain = certain_updates({update: found for update, found in rows.items() if ends_row(found)})
    records, until = [], 0
    for chunk in range(schedule.num_chunks):
        if schedule.updates_in(chunk) > len(certain) * schedule.updates_per_row:
            break
        ends = schedule.row_ends(chunk)
        if not certain.issuperset(ends):
            break
        updates = range(until + 1, ends[-1] + 1)
        found = [row for update in updates for row in rows.get(update, ())]
        until = ends[-1]
        record = ChunkRecord(
            update=until,
            env_steps=until * steps,
            rows=found,
            finished_at=0.0,
            seconds=0.0,
            steps_per_second=0.0,
        )
        records.append(record)
    return records, f"every row up to update {until} of {schedule.num_updates}{broken}"


def ends_row(rows: list[Row]) -> bool:
    """True for the rows of an update that ends a row of metrics."""
    return any(row.name == EPISODE_COUNT for row in rows)


def certain_updates(rows: dict[int, list[Row]]) -> set[int]:
    """The first updates of which no line is missing, among those that end a row of metrics: each
    has all seeds and agents of the next, since seeds only ever stop; the last has all that there
    are."""
    learners = {
        update: {row[1:3] for row in found if row.name == EPISODE_COUNT}  # not of a callback
        for update, found in sorted(rows.items())
    }
    followers = [*list(learners.values())[1:], set().union(*learners.values())]
    certain = set()
    for (update, own), following in zip(learners.items(), followers, strict=False):
        if not own >= following:
            break
        certain.add(update)
    return certain


def rows_of_line(line: bytes, steps: int) -> list[Row]:
    """The rows of a line of metrics.jsonl.

    Raises:
        ValueError, KeyError, TypeError: for a line that is not of this run, or has a value that is
            not finite, of which JSON does not say which it was.
    """
    found = json.loads(line)
    update, seed, agent = found["update"], found["seed"], found.get("agent", "")
    if not (type(update) is type(seed) is int and isinstance(agent, str)):
        raise ValueError("update, seed or agent is of another type")
    if found["env_steps"] != update * steps:
        raise ValueError("env_steps is not of this run")
    values = {name: value for name, value in found.items() if name not in NO_NUMBERS}
    if not values or not all(isinstance(value, float) for value in values.values()):
        raise ValueError(f"update {update} has a value that is no finite number")
    return [Row(update, seed, agent, name, value) for name, value in values.items()]


def restore_store(
    folder: RunDir, state: StoreState, facts: dict[str, Any], records: list[ChunkRecord]
) -> list[str]:
    """Put a database with the facts and the records in place of the old one, which is kept under
    another name. At every moment one of the two is in place."""
    database = folder.database
    made = new_file(database.with_name(".metrics.sqlite.unfinished"))
    with contextlib.closing(Store(made)) as store:
        if state.usable:
            merge_log(database)
            with reading(database) as old:
                old.copy_to(store)
        for record in records:
            if record.update > state.covered:
                store.write(record)
        known = records[-1].update if records else 0
        covered = max(known, state.covered)
        is_new = covered and "run_id" not in facts
        facts = facts | ({"run_id": uuid.uuid4().hex} if is_new else {})
        if not covered:  # a run that begins again does not continue its old copy
            facts.pop("run_id", None)
        store.describe(**facts)
        source = " from metrics.jsonl, without times" if known > state.covered else ""
        source += ", with a new run_id" if is_new else ""
        text = (
            f"metrics.sqlite up to update {covered}{source if covered else ' (begun anew, empty)'}"
        )
        store.add_event(covered, "repair", text)
    fsync(made)
    kept = keep_old(database)
    made.replace(database)
    fsync(database.parent)
    kept_line = [f"kept: the old file as {kept.name}"] if kept else []
    return [*kept_line, f"restored: {text}; a resumed run computes what follows"]


def merge_log(database: Path) -> None:
    """Bring the rows of the write-ahead log into the database itself, where it can be written."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def keep_old(database: Path) -> Path | None:
    """Give a second name to the database and to the files that SQLite keeps beside it, then remove
    the latter: SQLite would take them for those of the next database."""
    endings = endings_of(database)
    if not endings:
        return None
    names = (database.with_name(f"{database.name}.damaged-{i}") for i in range(1, 1000))
    kept = next(name for name in names if not endings_of(name))
    for ending in endings:
        old, second = f"{database}{ending}", Path(f"{kept}{ending}")
        if Path(old).is_dir():  # which has one name, and in whose place no file can be put
            os.rename(old, second)
            continue
        try:
            os.link(old, second)
        except OSError:  # a file system without links
            shutil.copyfile(old, second)
            fsync(second)
    fsync(database.parent)
    for ending in BESIDE_DATABASE[1:]:
        Path(f"{database}{ending}").unlink(missing_ok=True)
    return kept


def endings_of(database: Path) -> list[str]:
    """Of the database and the files that SQLite keeps beside it, those that exist."""
    return [ending for ending in BESIDE_DATABASE if Path(f"{database}{ending}").exists()]
