"""The overview of a run's metrics that a page loads first; large runs load as a sample."""

import sqlite3
import threading
from typing import Any

from elsinore.page import series
from elsinore.page.runs_directory import RunsDirectory, info_of, run_id_of
from elsinore.page.updates import MAX_ROWS, events_after, rows_after
from elsinore.page.workers import low_priority_worker

CACHED_OVERVIEWS = 8  # of large runs
BUILD_SECONDS = 300.0  # at most for an overview that is built beside


class Overviews:
    """Overviews of runs. Slow ones are built by one thread, one at a time, and cached."""

    def __init__(self, runs: RunsDirectory):
        self._runs = runs
        self._worker = low_priority_worker("overviews")
        self._lock = threading.Lock()
        self._cache: dict[tuple, dict[str, Any]] = {}
        self._pending: set[tuple] = set()

    def overview(
        self, name: str, first: int | None = None, last: int | None = None
    ) -> dict[str, Any]:
        """A run's curves from update `first` to `last`; None for either end is the run's own.

        `cursor` is the last update contained; later ones come live. `sampled` says that only some
        updates are contained and the whole is being built: ask again in a few seconds.

        Raises:
            PageError: if the run or its metrics cannot be read.
        """
        with self._runs.database(self._runs.open(name)) as db:
            begin, end = _clip(db, first, last)
            if end < begin or series.is_quick(db, begin, end):
                return _overview(db, begin, end, _spans(db, begin, end))
            key = (name, run_id_of(db), first, last)
            with self._lock:
                cached = self._cache.get(key)
            if cached is not None and _is_current(db, cached, last):
                return cached
            sample = _overview(db, begin, end, series.sampled_updates(db, begin, end))
        # not earlier: it would take half of the interpreter's time
        self._build_later(key)
        return sample | {"sampled": True}

    def close(self) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _build_later(self, key: tuple) -> None:
        with self._lock:
            if key in self._pending:
                return
            self._pending.add(key)
        self._worker.submit(self._build, key)

    def _build(self, key: tuple) -> None:
        name, _, first, last = key
        try:
            with self._runs.database(self._runs.open(name), BUILD_SECONDS) as db:
                begin, end = _clip(db, first, last)
                overview = _overview(db, begin, end, _spans(db, begin, end))
            with self._lock:
                self._cache[key] = overview
                while len(self._cache) > CACHED_OVERVIEWS:
                    del self._cache[next(iter(self._cache))]
        finally:
            with self._lock:
                self._pending.discard(key)


def _is_current(db: sqlite3.Connection, cached: dict[str, Any], last: int | None) -> bool:
    """True if an overview has all updates until `last`, or few live rows are to be added."""
    whole = last is not None and cached["cursor"] >= last
    return whole or len(rows_after(db, cached["cursor"])) <= MAX_ROWS


def _clip(db: sqlite3.Connection, first: int | None, last: int | None) -> series.Span:
    """The part of `first` to `last` that the run has."""
    begin, end = series.extent(db)
    return max(begin, first or begin), min(end, last if last is not None else end)


def _spans(db: sqlite3.Connection, begin: int, end: int) -> list[series.Span]:
    """The spans of a curve; none without an update."""
    if end < begin:
        return []
    return series.spans(begin, end, alone=series.last_updates(db, begin, end))


def _overview(
    db: sqlite3.Connection, begin: int, end: int, spans: list[series.Span]
) -> dict[str, Any]:
    curves, (events, last) = series.curves(db, spans), events_after(db, 0)
    episodes = curves.get("episode/count", {"update": [], "sum": []})
    for curve in curves.values():
        curve.pop("sum") if curve is not episodes else None
    return {
        "info": info_of(db),
        "first": begin,
        "cursor": end,
        "sampled": False,
        "curves": curves,
        "episodes": {"update": episodes["update"], "count": episodes.pop("sum")},
        "clock": series.clock(db),
        "events": events,
        "event": last,
    }
