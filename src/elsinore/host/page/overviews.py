"""What a page shows of a run's numbers when it is opened, in no more time than somebody is glad to wait."""

import threading
from typing import Any

from elsinore.host.page import series
from elsinore.host.page.runs import Shelf, info_of
from elsinore.host.page.tail import MOST_ROWS, events_after, rows_after
from elsinore.host.page.workers import worker

KEPT = 8  # overviews of large runs that are remembered


class Overviews:
    """Overviews of runs. Those that take seconds are made by one thread, one at a time, and remembered."""

    def __init__(self, shelf: Shelf):
        self._shelf = shelf
        self._maker = worker("overviews")
        self._lock = threading.Lock()
        self._made: dict[tuple, dict[str, Any]] = {}
        self._wanted: set[tuple] = set()

    def of(self, name: str, first: int | None = None, last: int | None = None) -> dict[str, Any]:
        """A run's curves between two updates; all of it where they are left out.

        `cursor` is the last update that is in it: what comes after is live. `sampled` says that this is a part of the
        updates only, and that the whole is being made: ask again in a few seconds.

        Raises:
            Unreadable: where the run, or what it has told, cannot be read.
        """
        with self._shelf.database(self._shelf.open(name)) as db:
            begin, end = series.extent(db)
            begin, end = max(begin, first or begin), min(end, last if last is not None else end)
            if end < begin or series.is_quick(db, begin, end):
                return _overview(db, begin, end, series.spans(begin, end) if end >= begin else [])
            made = self._remembered((name, first, last))
            if made is not None and len(rows_after(db, made["cursor"])) <= MOST_ROWS:
                return made
            found = _overview(db, begin, end, series.sampled(db, begin, end)) | {"sampled": True}
        self._make((name, first, last))  # not before: it would take half of the interpreter's time
        return found

    def close(self) -> None:
        self._maker.shutdown(wait=False, cancel_futures=True)

    def _remembered(self, key: tuple) -> dict[str, Any] | None:
        with self._lock:
            return self._made.get(key)

    def _make(self, key: tuple) -> None:
        with self._lock:
            if key in self._wanted:
                return
            self._wanted.add(key)
        self._maker.submit(self._work, key)

    def _work(self, key: tuple) -> None:
        name, first, last = key
        try:
            with self._shelf.database(self._shelf.open(name)) as db:
                begin, end = series.extent(db)
                begin, end = max(begin, first or begin), min(end, last if last is not None else end)
                made = _overview(db, begin, end, series.spans(begin, end))
            with self._lock:
                self._made[key] = made
                while len(self._made) > KEPT:
                    del self._made[next(iter(self._made))]
        finally:
            with self._lock:
                self._wanted.discard(key)


def _overview(db, begin: int, end: int, where: list[series.Span]) -> dict[str, Any]:
    curves = series.curves(db, where)
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
        "events": events_after(db, 0.0),
    }
