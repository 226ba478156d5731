"""A run's metrics as curves with about as many points as a chart has pixels.

The updates are cut into spans; the last update of each seed is a span of its own. A seed's curve
keeps the mean, minimum and maximum of each span, so no spike is lost; in a span of one update all
three are the value itself. The fewer updates are requested, the shorter the spans: zooming in ends
at single values.

A store of millions of rows takes seconds to read: a sample of its updates is shown first (see
`overviews.py`).
"""

import sqlite3
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from elsinore.runs.files.natural import natural

SPANS = 400  # about as many points as a chart is wide
QUICK_ROWS = 300_000  # read in a fraction of a second
MOST_SEEDS = 10_000  # each of which has a list over all spans, whatever rows there are

# NaN is NULL in the store; an infinity becomes NULL too, since JSON knows neither.
GROUPED = """
SELECT name, agent, seed, max(update_), avg(v), min(v), max(v), count(*), sum(v) FROM (
    SELECT name, agent, seed, update_, nullif(nullif(value, 9e999), -9e999) AS v
    FROM metrics WHERE update_ BETWEEN ? AND ?)
GROUP BY name, agent, seed
"""
# of each seed, also of one that stopped: a seed that learns has a count of episodes at each update
LAST = """
SELECT DISTINCT max(update_) FROM metrics
WHERE name IN ('eval/return', 'episode/count') AND agent = '' AND update_ BETWEEN ? AND ?
GROUP BY name, seed ORDER BY 1 DESC LIMIT ?
"""
Span = tuple[int, int]  # the first update and the last


def extent(db: sqlite3.Connection) -> Span:
    """The first and the last update with metrics; (0, 0) without any."""
    first = db.execute("SELECT min(update_) FROM metrics").fetchone()[0]
    last = db.execute("SELECT max(update_) FROM metrics").fetchone()[0]
    return (first or 0, last or 0)


def is_quick(db: sqlite3.Connection, first: int, last: int) -> bool:
    """True if all rows of these updates can be read while a user waits."""
    some = "SELECT count(*) FROM (SELECT 1 FROM metrics WHERE update_ BETWEEN ? AND ? LIMIT ?)"
    return db.execute(some, (first, last, QUICK_ROWS + 1)).fetchone()[0] <= QUICK_ROWS


def spans(first: int, last: int, count: int = SPANS, *, alone: Iterable[int] = ()) -> list[Span]:
    """At most `count` (two or more) spans of about equal length over updates `first` to `last`, and
    at most two more for each update in `alone`.

    `last` and each of `alone` is a span of its own: it is read as a result, not as a mean with
    earlier ones.
    """
    length = last - first
    count = min(count - 1, length)
    begins = {first + length * i // count for i in range(count)} if count else set()
    begins |= {x for update in (*alone, last) for x in (update, update + 1)}
    inside = sorted(x for x in begins if first <= x <= last)
    return [(a, b - 1) for a, b in pairwise([*inside, last + 1])]


def last_updates(db: sqlite3.Connection, first: int, last: int, most: int = SPANS) -> list[int]:
    """The updates from `first` to `last` at which a seed learnt or was evaluated last; of more than
    `most` the newest."""
    return [update for (update,) in db.execute(LAST, (first, last, most))]


def sampled_updates(
    db: sqlite3.Connection, first: int, last: int, count: int = SPANS
) -> list[Span]:
    """Single updates, evenly spaced among those that end a chunk (only they have evaluations)."""
    ends = db.execute(
        "SELECT update_ FROM chunks WHERE update_ BETWEEN ? AND ? ORDER BY update_", (first, last)
    )
    ends = [update for (update,) in ends]
    chosen = (
        {ends[i * (len(ends) - 1) // (count - 1)] for i in range(count)} if ends else {first, last}
    )
    return [(update, update) for update in sorted(chosen)]


def curves(db: sqlite3.Connection, over: Iterable[Span]) -> dict[str, Any]:
    """Every metric as one curve per seed over these spans.

    `{name: {"update": [span], "exact": bool, "sum": [span], "seeds": {seed: {"mean": [span], "low",
    "high"}}}}`. null: the seed logged nothing. `low` and `high` are left out where each span is one
    update. `sum` is over seeds and updates. An agent's metric is named `"name [agent]"`.
    """
    found: dict[str, _Curve] = {}
    for first, last in over:
        for name, agent, seed, update, *values in db.execute(GROUPED, (first, last)):
            found.setdefault(metric_label(name, agent), _Curve()).add(first, update, seed, values)
    return {
        name: curve.as_json() for name, curve in sorted(found.items(), key=lambda x: natural(x[0]))
    }


def metric_label(name: str, agent: str) -> str:
    """The name of a metric on the page: `name [agent]`, or `name` for all agents together."""
    return f"{name} [{agent}]" if agent else name


def clock(db: sqlite3.Connection, most: int = 2000) -> dict[str, list[float]]:
    """`update`, cumulative training `seconds` and `speed` (env steps/s) at the ends of chunks."""
    seconds, rows = 0.0, []
    for update, taken, speed in db.execute(
        "SELECT update_, seconds, steps_per_second FROM chunks ORDER BY update_"
    ):
        seconds += taken
        rows.append((update, seconds, speed))
    rows = rows[:: -(-len(rows) // most) or 1] + rows[-1:]
    return {name: [row[i] for row in rows] for i, name in enumerate(("update", "seconds", "speed"))}


class _Curve:
    """One metric: a point for each span in which it was logged."""

    def __init__(self):
        self._spans: list[int] = []
        self._updates: list[int] = []
        # seed -> index of the span -> mean, low, high, count, sum
        self._points: dict[int, dict[int, list]] = {}
        self._exact = True

    def add(self, span: int, update: int, seed: int, values: list) -> None:
        if not self._spans or self._spans[-1] != span:
            self._spans.append(span)
            self._updates.append(update)
        self._updates[-1] = max(self._updates[-1], update)
        self._points.setdefault(seed, {})[len(self._spans) - 1] = values
        if len(self._points) > MOST_SEEDS:
            raise sqlite3.DataError(f"more than {MOST_SEEDS:,} seeds are too many to draw")
        self._exact = self._exact and values[3] == 1

    def as_json(self) -> dict[str, Any]:
        keep = {"mean": 0} if self._exact else {"mean": 0, "low": 1, "high": 2}
        places = range(len(self._spans))
        return {
            "update": self._updates,
            "exact": self._exact,
            "seeds": {
                str(seed): {
                    name: [points[i][k] if i in points else None for i in places]
                    for name, k in keep.items()
                }
                for seed, points in sorted(self._points.items())
            },
            "sum": [
                sum(points[i][4] or 0.0 for points in self._points.values() if i in points)
                for i in places
            ],
        }
