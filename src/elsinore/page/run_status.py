"""The status of a run: its row in the list, and the details of its page."""

import json
import sqlite3
from typing import Any

from elsinore.config.parse import ConfigError
from elsinore.page.runs_directory import PageError, RunsDirectory, info_of
from elsinore.runs import checkpoints
from elsinore.runs.control import SOCKET, Busy, ask
from elsinore.runs.run_dir import RunDir

LIVE = ("compiling", "training", "pausing", "paused", "stopping")
RECENT_CHUNKS = 10  # the current speed is their mean
PLAN_END = "compiling"  # the line of a run's log after its plan


def run_state(run: RunDir, summary: dict[str, Any]) -> str:
    """One of `LIVE`, or the reason of the end; `interrupted` if it neither trains nor has ended."""
    if (run.path / SOCKET).exists():  # a link to another run's socket is not followed
        try:
            return ask(run.path, timeout=0.5)
        except Busy:
            return "training"
        except ConfigError:  # its process was killed
            pass
    return str(summary.get("stopped_by", "interrupted"))


def summary_of(runs: RunsDirectory, run: RunDir) -> dict[str, Any]:
    """The contents of summary.json; empty if it is absent or malformed."""
    try:
        found = json.loads(runs.text(run.summary) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def status_of(runs: RunsDirectory, name: str) -> dict[str, Any]:
    """A run's row in the list; `error` if its metrics cannot be read."""
    run = runs.open(name)
    summary = summary_of(runs, run)
    status: dict[str, Any] = {
        "name": name,
        "state": run_state(run, summary),
        "time": _last_change(run),
    }
    try:
        with runs.database(run) as db:
            status |= _progress(db, status["state"])
    except PageError as error:
        return status | {"error": str(error)}
    if status["state"] not in LIVE and isinstance(final := summary.get("eval_return"), dict):
        status["return"] = final.get("iqm")
    return status


def _progress(db: sqlite3.Connection, state: str) -> dict[str, Any]:
    """Updates done, speed, and the mean over seeds of the newest evaluation."""
    info = info_of(db)
    update = db.execute("SELECT max(update_) FROM chunks").fetchone()[0] or 0
    speed = _speed(db, RECENT_CHUNKS if state in LIVE else -1)
    steps = int(info.get("steps_per_update", 0))
    score = (
        "SELECT avg(value), count(*) FROM metrics WHERE update_ = ? AND name = 'eval/return' AND"
        " agent = ''"
    )
    mean, learning = db.execute(score, (update,)).fetchone()
    total = int(info.get("num_updates", 0))
    left = (total - update) * steps * (learning or 1) / speed if speed and state in LIVE else None
    return {
        "env": info.get("env"),
        "algo": info.get("algo"),
        "seeds": info.get("seeds"),
        "update": update,
        "updates": total,
        "env_steps": update * steps,
        "total_env_steps": total * steps,
        "return": mean,
        "speed": speed,
        "seconds_left": left,
        "learning": learning,
    }


def _speed(db: sqlite3.Connection, chunks: int) -> float | None:
    """Env steps a second in the newest `chunks` (-1: in all); None before the first."""
    newest = "SELECT seconds, steps_per_second FROM chunks ORDER BY update_ DESC LIMIT ?"
    return db.execute(
        f"SELECT sum(seconds * steps_per_second) / sum(seconds) FROM ({newest})", (chunks,)
    ).fetchone()[0]


def _last_change(run: RunDir) -> float:
    """The time of the last write, in seconds since the epoch."""
    wal = run.database.with_name(f"{run.database.name}-wal")
    found = [
        (path, path.stat())
        for path in (run.config, run.database, wal, run.summary)
        if path.exists()
    ]
    # a reader leaves an empty write-ahead log
    return max(stat.st_mtime for path, stat in found if path != wal or stat.st_size)


def details_of(runs: RunsDirectory, name: str) -> dict[str, Any]:
    """A run's status, config, summary, plan, log and checkpoints: all but its metrics.

    Raises:
        PageError: if there is no such run.
    """
    run = runs.open(name)
    log = runs.text(run.log).splitlines()
    return status_of(runs, name) | {
        "config": runs.text(run.config),
        "summary": summary_of(runs, run),
        "plan": _plan_in(log),
        "log": log[-300:],
        "checkpoints": [
            _checkpoint_row(each) for each in checkpoints.list_checkpoints(run.checkpoints)
        ],
    }


def _plan_in(log: list[str]) -> list[str]:
    """The plan at the beginning of a run's log, without date, time and level."""
    messages = [line.split(" ", 3)[-1] for line in log[:60]]
    end = next((i for i, line in enumerate(messages) if line.startswith(PLAN_END)), 0)
    return messages[:end]


def _checkpoint_row(checkpoint: Any) -> dict[str, Any]:
    manifest = checkpoint.manifest
    return {
        "name": checkpoint.name,
        "kind": checkpoint.kind,
        "update": manifest["update"],
        "time": manifest.get("time"),
        "metric": manifest.get("metric"),
    }
