"""New rows of a run's metrics since a reader's last look.

The rows of an update are stored before any of a later one, so the last update read says exactly
what is new. A resumed run goes back to a checkpoint and logs the later updates again: the reader is
asked to drop those first. The reader of a run that was deleted, and whose name another run has, is
asked to begin again.
"""

import sqlite3
from typing import Any, NamedTuple

from elsinore.page.runs_directory import run_id_of
from elsinore.page.series import metric_label

MAX_ROWS = 20_000  # per message; a reader that lags further behind reloads an overview


class Cursor(NamedTuple):
    """The position of a reader in a run."""

    update: int  # the last update read completely
    event: int = 0  # the number of the last event read; 0: none
    run_id: str | None = None  # of the run that was read; None: not known


def rows_after(db: sqlite3.Connection, update: int) -> list[tuple]:
    """(update, seed, name, value) of later updates, in order; at most one more than `MAX_ROWS`."""
    query = (
        "SELECT update_, seed, agent, name, value FROM metrics WHERE update_ > ? ORDER BY update_"
        " LIMIT ?"
    )
    rows = db.execute(query, (update, MAX_ROWS + 1))
    return [(u, s, metric_label(name, agent), value) for u, s, agent, name, value in rows]


def events_after(db: sqlite3.Connection, event: int) -> tuple[list[tuple], int]:
    """(at, update, kind, text) of the events after that of a number, in the order they were
    written, at most the newest 1,000; and the number of the last one."""
    query = (
        "SELECT rowid, at, update_, kind, text FROM events WHERE rowid > ? ORDER BY rowid DESC"
        " LIMIT 1000"
    )
    found = list(db.execute(query, (event,)))[::-1]
    return [row[1:] for row in found], found[-1][0] if found else event


def updates_since(db: sqlite3.Connection, cursor: Cursor) -> tuple[dict[str, Any], Cursor]:
    """Everything logged after `cursor`, and the cursor after it; an empty mapping if nothing was.

    `rows`: as `rows_after`. `clock`: (update, seconds, steps per second) of chunks. `events`: (at,
    update, kind, text), with the number `event` of the last. `forget_after`: an update whose later
    rows are void. `reload`: too many rows to send, or another run; load an overview.
    """
    if cursor.run_id is not None and cursor.run_id != run_id_of(db):
        return {"reload": True}, cursor
    events, last = events_after(db, cursor.event)
    message: dict[str, Any] = {"events": events, "event": last} if events else {}
    begins = [update for _, update, kind, _ in events if kind in ("begin", "resume")]
    if begins and cursor.event and min(begins) < cursor.update:
        message["forget_after"] = min(begins)
        cursor = cursor._replace(update=min(begins))
    rows = rows_after(db, cursor.update)
    if len(rows) > MAX_ROWS:
        return message | {"reload": True}, cursor._replace(event=last)
    if rows:
        chunks = (
            "SELECT update_, seconds, steps_per_second FROM chunks WHERE update_ > ? ORDER BY"
            " update_"
        )
        message |= {"rows": rows, "clock": list(db.execute(chunks, (cursor.update,)))}
    return message, cursor._replace(update=rows[-1][0] if rows else cursor.update, event=last)
