"""A run's numbers as curves that fit a screen.

The updates are cut into spans. Of each span a seed's curve keeps the mean, the lowest and the highest value, so that
no spike is lost; a span with one update has them all alike and is exact. Asking for fewer updates makes the spans
shorter, until each is one update: zooming in ends at the numbers themselves.

A store of millions of rows takes seconds to read. Of such a one some updates are shown first (see `overviews.py`).
"""

import sqlite3
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

SPANS = 400  # about as many points as a chart is wide
QUICK = 300_000  # rows that are read in a fraction of a second

# NaN is NULL in the store; an infinity becomes NULL too, since JSON knows neither.
GROUPED = """
SELECT name, agent, seed, max(update_), avg(v), min(v), max(v), count(*), sum(v) FROM (
    SELECT name, agent, seed, update_, nullif(nullif(value, 9e999), -9e999) AS v
    FROM metrics WHERE update_ BETWEEN ? AND ?)
GROUP BY name, agent, seed
"""
Span = tuple[int, int]  # the first update and the last


def extent(db: sqlite3.Connection) -> Span:
    """The first and the last update of which anything is told; (0, 0) where nothing is."""
    first = db.execute("SELECT min(update_) FROM metrics").fetchone()[0]
    last = db.execute("SELECT max(update_) FROM metrics").fetchone()[0]
    return (first or 0, last or 0)


def is_quick(db: sqlite3.Connection, first: int, last: int) -> bool:
    """Whether all rows of these updates can be read while somebody waits."""
    some = "SELECT count(*) FROM (SELECT 1 FROM metrics WHERE update_ BETWEEN ? AND ? LIMIT ?)"
    return db.execute(some, (first, last, QUICK + 1)).fetchone()[0] <= QUICK


def spans(first: int, last: int, count: int = SPANS) -> list[Span]:
    """At most `count` (two or more) spans over all updates, `first` to `last`: of about equal length, and `last` alone.

    What is newest is read as the run's result, which is no mean of it and of what came before.
    """
    length = last - first
    count = min(count - 1, length)
    edges = [first + length * i // count for i in range(count + 1)] if count else [first]
    return [(a, b - 1) for a, b in pairwise(edges)] + [(last, last)]


def sampled(db: sqlite3.Connection, first: int, last: int, count: int = SPANS) -> list[Span]:
    """Single updates, spread evenly: of those that end a chunk, which alone have an evaluation."""
    ends = db.execute("SELECT update_ FROM chunks WHERE update_ BETWEEN ? AND ? ORDER BY update_", (first, last))
    ends = [update for (update,) in ends]
    chosen = {ends[i * (len(ends) - 1) // (count - 1)] for i in range(count)} if ends else {first, last}
    return [(update, update) for update in sorted(chosen)]


def curves(db: sqlite3.Connection, where: Iterable[Span]) -> dict[str, Any]:
    """Every metric as a curve for each seed over these spans.

    `{name: {"update": [span], "exact": bool, "sum": [span], "seeds": {seed: {"mean": [span], "low", "high"}}}}`;
    null is where a seed tells nothing; `low` and `high` are there only where they are other than the mean; `sum` is
    over seeds and updates. The metrics of agents have the name `"name [agent]"`.
    """
    found: dict[str, _Curve] = {}
    for first, last in where:
        for name, agent, seed, update, *values in db.execute(GROUPED, (first, last)):
            found.setdefault(labelled(name, agent), _Curve()).add(first, update, seed, values)
    return {name: curve.as_json() for name, curve in sorted(found.items())}


def labelled(name: str, agent: str) -> str:
    """A metric's name on the page."""
    return f"{name} [{agent}]" if agent else name


def clock(db: sqlite3.Connection, most: int = 2000) -> dict[str, list[float]]:
    """The time that training took, at the ends of chunks: `update`, `seconds` so far, `speed` in env steps a second."""
    seconds, rows = 0.0, []
    for update, taken, speed in db.execute("SELECT update_, seconds, steps_per_second FROM chunks ORDER BY update_"):
        seconds += taken
        rows.append((update, seconds, speed))
    rows = rows[:: -(-len(rows) // most) or 1] + rows[-1:]
    return {name: [row[i] for row in rows] for i, name in enumerate(("update", "seconds", "speed"))}


class _Curve:
    """One metric: a point for each span in which it was told."""

    def __init__(self):
        self._spans: list[int] = []
        self._updates: list[int] = []
        self._points: dict[int, dict[int, list]] = {}  # seed -> index of the span -> mean, low, high, count, sum
        self._exact = True

    def add(self, span: int, update: int, seed: int, values: list) -> None:
        if not self._spans or self._spans[-1] != span:
            self._spans.append(span)
            self._updates.append(update)
        self._updates[-1] = max(self._updates[-1], update)
        self._points.setdefault(seed, {})[len(self._spans) - 1] = values
        self._exact = self._exact and values[3] == 1

    def as_json(self) -> dict[str, Any]:
        keep = {"mean": 0} if self._exact else {"mean": 0, "low": 1, "high": 2}
        places = range(len(self._spans))
        return {
            "update": self._updates,
            "exact": self._exact,
            "seeds": {
                str(seed): {name: [points[i][k] if i in points else None for i in places] for name, k in keep.items()}
                for seed, points in sorted(self._points.items())
            },
            "sum": [sum(points[i][4] or 0.0 for points in self._points.values() if i in points) for i in places],
        }
