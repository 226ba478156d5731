"""What a run has told since somebody last looked.

Every row of an update is in the store before any of a later one, so the last update seen says exactly what is new.
A resumed run goes back to a checkpoint and tells again what came after it: then that is forgotten first.
"""

import sqlite3
from typing import Any, NamedTuple

from elsinore.host.page.series import labelled

MOST_ROWS = 20_000  # sent at once; whoever has missed more begins again from an overview


class Place(NamedTuple):
    """How far somebody has read a run."""

    update: int  # the last one of which everything is known
    heard: float = 0.0  # when the last event known happened, in seconds since the epoch; 0: none is known


def rows_after(db: sqlite3.Connection, update: int) -> list[tuple]:
    """(update, seed, name, value) of later updates, in order; one more than `MOST_ROWS` at most."""
    query = "SELECT update_, seed, agent, name, value FROM metrics WHERE update_ > ? ORDER BY update_ LIMIT ?"
    found = db.execute(query, (update, MOST_ROWS + 1))
    return [(u, s, labelled(name, agent), _finite(value)) for u, s, agent, name, value in found]


def events_after(db: sqlite3.Connection, at: float) -> list[tuple]:
    """(at, update, kind, text) of later events, in order; of many the newest."""
    query = "SELECT at, update_, kind, text FROM events WHERE at > ? ORDER BY at DESC LIMIT 1000"
    return list(db.execute(query, (at,)))[::-1]


def news(db: sqlite3.Connection, place: Place) -> tuple[dict[str, Any], Place]:
    """What is new since `place`, and the place after it; an empty dictionary where nothing is.

    `rows`: as `rows_after`. `clock`: (update, seconds, steps per second) of chunks. `events`: (at, update, kind, text).
    `forget_after`: an update after which all that was known is void. `again`: too much to send; take an overview.
    """
    events = events_after(db, place.heard)
    heard = events[-1][0] if events else place.heard
    told: dict[str, Any] = {"events": events} if events else {}
    begins = [update for _, update, kind, _ in events if kind in ("begin", "resume")]
    if begins and place.heard and min(begins) < place.update:
        told["forget_after"] = min(begins)
        place = place._replace(update=min(begins))
    rows = rows_after(db, place.update)
    if len(rows) > MOST_ROWS:
        return told | {"again": True}, place._replace(heard=heard)
    if rows:
        chunks = "SELECT update_, seconds, steps_per_second FROM chunks WHERE update_ > ? ORDER BY update_"
        told |= {"rows": rows, "clock": list(db.execute(chunks, (place.update,)))}
    return told, Place(rows[-1][0] if rows else place.update, heard)


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and abs(value) < float("inf") else None
