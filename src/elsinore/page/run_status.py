"""The status of a run: its row in the list, and the details of its page."""

import json
import math
import os
import sqlite3
from typing import Any

from elsinore.page.changed_settings import changed_settings
from elsinore.page.manage import tags_of
from elsinore.page.runs_directory import PageError, RunsDirectory, info_of
from elsinore.runs.budgets import seconds_text
from elsinore.runs.checkpoints.directory import CHECKPOINT_KINDS
from elsinore.runs.files.plain_json import plain
from elsinore.runs.members import mean_known, members_in, seeds_of_best
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_state import LIVE, run_state
from elsinore.runs.summary import final_return
from elsinore.runs.trust.redaction import redacted

RECENT_CHUNKS = 10  # the current speed is their mean
SPARKS = 24  # points of the small curve in the list
# the chunks with an evaluation: with evaluations on request not all
EVALUATED = """
SELECT update_ FROM chunks WHERE EXISTS (
    SELECT 1 FROM metrics
    WHERE metrics.update_ = chunks.update_ AND name = 'eval/return' AND agent = '')
ORDER BY update_
"""
# of the seeds that learn, which alone have a row at the newest update
FEWEST_EPISODES = """
SELECT min(n) FROM (
    SELECT sum(value) AS n, max(update_) AS newest FROM metrics
    WHERE name = 'episode/count' AND agent = '' GROUP BY seed)
WHERE newest = ?
"""
MANIFEST = "manifest.json"
PLAN_BEGIN = "environment     "  # the first line of a plan in a run's log
PLAN_END = "compiling"  # the line after it
LOG_LINES = 300  # the newest ones are shown
LOG_BYTES = 200_000  # from either end of a log
# of summary.json: what readers use, and its type
SUMMARY_TYPES = {"stopped_by": str, "seeds": int, "env_steps": int, "eval_return": dict}


def summary_of(runs: RunsDirectory, run: RunDir, unread: list[str]) -> dict[str, Any]:
    """The contents of summary.json without what readers cannot use, which `unread` then names."""
    try:
        text = runs.text(run, run.summary)
        found = plain(json.loads(text)) if text or run.summary.exists() else None
    except (ValueError, RecursionError, PageError) as error:
        found = None
        reason = str(error) if isinstance(error, PageError) else "summary.json is no JSON."
        unread.append(reason)
    if found is None:
        return {}
    if not isinstance(found, dict):
        unread.append("summary.json is no mapping.")
        return {}
    for name, kind in SUMMARY_TYPES.items():
        if not isinstance(found.get(name), kind):
            unread.append(f"summary.json has no {name} that can be read.")
            found.pop(name, None)
    return found


def best_env_steps(summary: dict[str, Any]) -> int | None:
    """Env steps of a seed at the best checkpoint; None without one."""
    found: Any = summary
    for name in ("checkpoints", "best", "env_steps"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int) else None


def status_of(runs: RunsDirectory, name: str) -> dict[str, Any]:
    """A run's row in the list; `error` if its metrics cannot be read, `unread` for what else."""
    run = runs.open(name)
    unread: list[str] = []
    summary = summary_of(runs, run, unread)
    status: dict[str, Any] = {
        "name": name,
        "state": run_state(run, summary),
        "time": _last_change(run),
        "tags": tags_of(runs, run, unread),
        "unread": unread,
    }
    try:
        with runs.database(run) as db:
            status |= _progress(db, status["state"])
    except PageError as error:
        return status | {"error": str(error)}
    if status["state"] not in LIVE and "eval_return" in summary:
        status["return"] = final_return(summary, "iqm")
    return status


def _progress(db: sqlite3.Connection, state: str) -> dict[str, Any]:
    """Updates done, speed, and the mean over seeds of the newest evaluation: those of the best
    member, where there are several."""
    info = info_of(db)
    update = db.execute("SELECT max(update_) FROM chunks").fetchone()[0] or 0
    speed = _speed(db, RECENT_CHUNKS if state in LIVE else -1)
    steps = int(info.get("steps_per_update", 0))
    newest = _evaluations(db, update)
    # a seed that learns has this row at each update, and evaluations at some of them only
    counts = "SELECT count(DISTINCT seed) FROM metrics WHERE update_ = ? AND name = 'episode/count'"
    learning = db.execute(counts, (update,)).fetchone()[0]
    if len(newest) != info.get("seeds"):
        newest = _newest(db)
    members = len(members_in(info))
    first, number = (int(info.get(name, 0)) for name in ("first_seed", "seeds"))
    seeds = seeds_of_best(newest, range(first, first + number), members, info.get("mode", "max"))
    total = int(info.get("num_updates", 0))
    left = (total - update) * steps * (learning or 1) / speed if speed and state in LIVE else None
    share, budget = _budget(db, info, update)
    if share and left is not None:
        left = min(left, _seconds(db) * (1 - share) / share)
    return {
        "env": info.get("env"),
        "algo": info.get("algo"),
        "seeds": info.get("seeds"),
        "members": members,
        "begins_from": info.get("begins_from", ""),
        "update": update,
        "updates": total,
        "env_steps": update * steps,
        "total_env_steps": total * steps,
        "share": max(share, update / total if total else 0.0),
        "budget": budget,
        "return": mean_known(newest[seed] for seed in sorted(newest) if seed in seeds),
        "sparkline": _sparkline(db, seeds, newest),
        "speed": speed,
        "seconds_left": left,
        "learning": learning,
    }


def _budget(db: sqlite3.Connection, info: dict[str, Any], update: int) -> tuple[float, str]:
    """The spent part of a budget in episodes or seconds, and it in words; 0 and "" without one."""
    episodes, seconds = (_positive(info.get(f"stop_{unit}")) for unit in ("episodes", "seconds"))
    if episodes:
        done = int(min(db.execute(FEWEST_EPISODES, (update,)).fetchone()[0] or 0, 2**53))
        return min(done / episodes, 1.0), f"{done:,} of {episodes:,} episodes"
    if seconds:
        spent = _seconds(db)
        return min(spent / seconds, 1.0), f"{seconds_text(spent)} of {seconds_text(seconds)} s"
    return 0.0, ""


def _positive(x: Any) -> int | float | None:
    return x if isinstance(x, int | float) and 0 < x < math.inf else None


def _seconds(db: sqlite3.Connection) -> float:
    return db.execute("SELECT total(seconds) FROM chunks").fetchone()[0]


def _evaluations(db: sqlite3.Connection, update: int) -> dict[int, float | None]:
    """The evaluations after an update, by seed; None: not finite."""
    score = (
        "SELECT seed, value FROM metrics WHERE update_ = ? AND name = 'eval/return' AND agent = ''"
    )
    return {seed: x for seed, x in db.execute(score, (update,)) if isinstance(seed, int)}


def _newest(db: sqlite3.Connection) -> dict[int, float | None]:
    """Each seed's newest evaluation: one that stopped keeps its last."""
    rows = db.execute(
        "SELECT seed, value, max(metrics.update_) FROM chunks JOIN metrics USING (update_)"
        " WHERE name = 'eval/return' AND agent = '' GROUP BY seed"
    )
    return {seed: value for seed, value, _ in rows if isinstance(seed, int)}


def _sparkline(
    db: sqlite3.Connection, seeds: range, newest: dict[int, float | None]
) -> list[float]:
    """Means over `seeds` of evaluations, evenly spaced among all; the newest is the last.

    A seed without a row at one has stopped and keeps its newest evaluation; one that is not finite
    is in no mean.
    """
    ends = [end for (end,) in db.execute(EVALUATED)]
    count = min(len(ends), SPARKS)
    chosen = [ends[i * (len(ends) - 1) // max(count - 1, 1)] for i in range(count)]
    means = []
    for end in chosen:
        values = newest | _evaluations(db, end)
        mine = (x for seed, x in sorted(values.items()) if seed in seeds)
        mean = mean_known(x for x in mine if x is not None and math.isfinite(x))
        means += [mean] if mean is not None else []
    return means


def _speed(db: sqlite3.Connection, chunks: int) -> float | None:
    """Env steps a second in the newest `chunks` (-1: in all); None before the first."""
    return db.execute(
        "SELECT sum(seconds * steps_per_second) / sum(seconds) FROM"
        " (SELECT seconds, steps_per_second FROM chunks ORDER BY update_ DESC LIMIT ?)",
        (chunks,),
    ).fetchone()[0]


def _last_change(run: RunDir) -> float:
    """The time of the last write, in seconds since the epoch."""
    wal = run.database.with_name(f"{run.database.name}-wal")
    found = [
        (path, path.lstat())
        for path in (run.config, run.database, wal, run.summary)
        if os.path.lexists(path)
    ]
    # a reader leaves an empty write-ahead log
    return max((s.st_mtime for path, s in found if path != wal or s.st_size), default=0.0)


def details_of(runs: RunsDirectory, name: str) -> dict[str, Any]:
    """A run's status, config, summary, plan, log and checkpoints: all but its metrics.

    Raises:
        PageError: if there is no such run.
    """
    run = runs.open(name)
    status = status_of(runs, name)
    begun = redacted(runs.text(run, run.log, LOG_BYTES)).splitlines()
    newest = redacted(runs.last_lines(run, run.log, LOG_BYTES)).splitlines()
    config = redacted(runs.text(run, run.config))
    return status | {
        "config": config,
        "changed": changed_settings(config),
        "summary": summary_of(runs, run, []),
        "plan": _plan_in(newest) or _plan_in(begun),
        "log": newest[-LOG_LINES:],
        "checkpoints": _checkpoints(runs, run, status["unread"]),
    }


def _plan_in(log: list[str]) -> list[str]:
    """The newest whole plan in these lines, without date, time and level: a run that is lengthened
    has several."""
    plan: list[str] = []
    reading: list[str] = []
    for message in (line.split(" ", 3)[-1] for line in log):
        if message.startswith(PLAN_BEGIN):
            reading = [message]
        elif message.startswith(PLAN_END) and reading:
            plan, reading = reading, []
        elif reading:
            reading.append(message)
    return plan


def _checkpoints(runs: RunsDirectory, run: RunDir, unread: list[str]) -> list[dict[str, Any]]:
    """The checkpoints of a run, newest first; `unread` names those that cannot be read."""
    rows = []
    for kind in CHECKPOINT_KINDS:
        folder = run.checkpoints / kind
        try:
            found = [path for path in runs.entries(run, folder) if not path.name.startswith(".")]
        except PageError as error:
            unread.append(f"checkpoints/{error}")
            continue
        for path in found:
            try:
                rows.append(_checkpoint_row(kind, path.name, runs.text(run, path / MANIFEST)))
            except (PageError, ValueError, RecursionError, KeyError, TypeError):
                if os.path.lexists(path):  # else a newer one has replaced it in the meantime
                    unread.append(f"checkpoints/{kind}/{path.name} cannot be read.")
    return sorted(rows, key=lambda row: -row["update"])


def _checkpoint_row(kind: str, name: str, manifest: str) -> dict[str, Any]:
    about = plain(json.loads(manifest))
    return {
        "name": f"{kind}/{name}",
        "kind": kind,
        "update": int(about["update"]),
        "time": about.get("time"),
        "metric": about.get("metric"),
    }
