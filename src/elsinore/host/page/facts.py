"""What a run is and how it stands, in a few words: a line of the list, and the head of its page."""

import json
import sqlite3
from typing import Any

from elsinore.config.build import ConfigError
from elsinore.host import checkpoints
from elsinore.host.control import SOCKET, Busy, ask
from elsinore.host.folder import RunFolder
from elsinore.host.page.runs import Shelf, Unreadable, info_of

LIVE = ("compiling", "training", "pausing", "paused", "stopping")
RECENT = 10  # chunks whose speed is the speed now
PLAN_ENDS = "compiling"  # what a run's log says after its plan


def state_of(shelf: Shelf, run: RunFolder, summary: dict[str, Any]) -> str:
    """What it is doing, or how it ended; `interrupted` where it neither goes on nor has ended."""
    if (run.path / SOCKET).exists():  # a link to another run's is not followed
        try:
            return ask(run.path, timeout=0.5)
        except Busy:
            return "training"
        except ConfigError:  # its process was killed
            pass
    return str(summary.get("stopped_by", "interrupted"))


def summary_of(shelf: Shelf, run: RunFolder) -> dict[str, Any]:
    """Its summary.json; empty where there is none that can be read."""
    try:
        found = json.loads(shelf.text(run.summary) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def line_of(shelf: Shelf, name: str) -> dict[str, Any]:
    """A run in the list; `error` where it cannot be read."""
    run = shelf.open(name)
    summary = summary_of(shelf, run)
    line: dict[str, Any] = {"name": name, "state": state_of(shelf, run, summary), "time": _last_change(run)}
    try:
        with shelf.database(run) as db:
            line |= _progress(db, line["state"])
    except Unreadable as error:
        return line | {"error": str(error)}
    if line["state"] not in LIVE and isinstance(final := summary.get("eval_return"), dict):
        line["return"] = final.get("iqm")
    return line


def _progress(db: sqlite3.Connection, state: str) -> dict[str, Any]:
    """How far it has come, how fast, and the mean over seeds of its newest evaluation."""
    info = info_of(db)
    update = db.execute("SELECT max(update_) FROM chunks").fetchone()[0] or 0
    speed = _speed(db, RECENT if state in LIVE else -1)
    steps = int(info.get("steps_per_update", 0))
    score = "SELECT avg(value), count(*) FROM metrics WHERE update_ = ? AND name = 'eval/return' AND agent = ''"
    mean, learning = db.execute(score, (update,)).fetchone()
    total = int(info.get("num_updates", 0))
    left = (total - update) * steps * (learning or 1) / speed if speed and state in LIVE else None
    return {
        "env": info.get("env"), "algo": info.get("algo"), "seeds": info.get("seeds"), "update": update,
        "updates": total, "env_steps": update * steps, "total_env_steps": total * steps, "return": mean,
        "speed": speed, "seconds_left": left, "learning": learning,
    }  # fmt: skip


def _speed(db: sqlite3.Connection, chunks: int) -> float | None:
    """Env steps a second in the newest of the chunks, or in all where `chunks` is -1; None before the first."""
    newest = "SELECT seconds, steps_per_second FROM chunks ORDER BY update_ DESC LIMIT ?"
    return db.execute(f"SELECT sum(seconds * steps_per_second) / sum(seconds) FROM ({newest})", (chunks,)).fetchone()[0]


def _last_change(run: RunFolder) -> float:
    """When something was last written, in seconds since the epoch."""
    beside = run.database.with_name(f"{run.database.name}-wal")
    found = [(path, path.stat()) for path in (run.config, run.database, beside, run.summary) if path.exists()]
    return max(stat.st_mtime for path, stat in found if path != beside or stat.st_size)  # a reader leaves an empty one


def page_of(shelf: Shelf, name: str) -> dict[str, Any]:
    """Everything about a run but its numbers.

    Raises:
        Unreadable: where there is no such run.
    """
    run = shelf.open(name)
    log = shelf.text(run.log).splitlines()
    return line_of(shelf, name) | {
        "config": shelf.text(run.config),
        "summary": summary_of(shelf, run),
        "plan": _plan_in(log),
        "log": log[-300:],
        "checkpoints": _checkpoints(shelf, run),
    }


def _plan_in(log: list[str]) -> list[str]:
    """The plan's lines, as the run's log begins with them: after the date, the time and the level."""
    told = [line.split(" ", 3)[-1] for line in log[:60]]
    ends = next((i for i, line in enumerate(told) if line.startswith(PLAN_ENDS)), 0)
    return told[:ends]


def _checkpoints(shelf: Shelf, run: RunFolder) -> list[dict[str, Any]]:
    found = []
    for checkpoint in checkpoints.listed(run.checkpoints):
        manifest = checkpoint.manifest
        found.append({"name": checkpoint.name, "kind": checkpoint.kind, "update": manifest["update"],
                      "time": manifest.get("time"), "metric": manifest.get("metric")})  # fmt: skip
    return found
