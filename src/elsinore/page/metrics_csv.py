"""A run's metrics as CSV: a row for each update and seed, a column for each metric.

The store is read page by page, each in a short transaction of its own: a reader that is slow, or
leaves, holds no snapshot, so the write-ahead log of a run in training does not grow.
"""

import csv
import io
import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from elsinore.page.runs_directory import RunsDirectory, info_of
from elsinore.page.series import metric_label
from elsinore.runs.files.natural import natural
from elsinore.runs.run_dir import RunDir

NAMES_SECONDS = 60.0  # for the names of all metrics; of ten million rows they take about one
PAGE_LINES = 500  # lines of the file that are read at once
MOST_NAMES = 20_000  # columns
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # begin a formula in a spreadsheet

NEXT_LINES = """
SELECT DISTINCT update_, seed FROM metrics
WHERE (update_, seed) > (?, ?) AND update_ <= ? ORDER BY update_, seed LIMIT ?
"""
ROWS = """
SELECT update_, seed, agent, name, value FROM metrics
WHERE (update_, seed) > (?, ?) AND (update_, seed) <= (?, ?) ORDER BY update_, seed
"""


def csv_pages(runs: RunsDirectory, name: str) -> Iterator[str]:
    """The file in parts of some lines; a metric that is logged later has no column.

    Raises:
        PageError: if the run or its metrics cannot be read.
    """
    run = runs.open(name)
    with runs.database(run, NAMES_SECONDS) as db:
        names = _metric_labels(db)
        if len(names) > MOST_NAMES:
            raise sqlite3.DataError(f"{len(names):,} metrics are too many for a table")
        steps = int(info_of(db).get("steps_per_update", 0))
        last = db.execute("SELECT max(update_) FROM metrics").fetchone()[0] or 0
    yield _csv([["update", "env_steps", "seed", *names]])
    after = (-1, -1)
    while page := _page(runs, run, after, last):
        after = page[-1][:2]
        yield _csv(
            [update, update * steps, seed, *(values.get(name) for name in names)]
            for update, seed, values in page
        )


def _page(
    runs: RunsDirectory, run: RunDir, after: tuple[int, int], last: int
) -> list[tuple[int, int, dict[str, Any]]]:
    """(update, seed, value of each metric) of the next lines."""
    with runs.database(run) as db:
        lines = list(db.execute(NEXT_LINES, (*after, last, PAGE_LINES)))
        rows = db.execute(ROWS, (*after, *lines[-1])) if lines else ()
        page = []
        for (update, seed), group in groupby(rows, key=lambda row: row[:2]):
            values = {metric_label(name, agent): value for _, _, agent, name, value in group}
            page.append((int(update), int(seed), values))
        return page


def _metric_labels(db: sqlite3.Connection) -> list[str]:
    """All metrics, read from all rows: those of episodes, of callbacks and of evaluations on
    request are in some updates only, at a chunk's end or before it."""
    found = db.execute("SELECT DISTINCT name, agent FROM metrics")
    return sorted({metric_label(name, agent) for name, agent in found}, key=natural)


def _csv(lines: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(x) for x in line] for line in lines)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """A number as it is; a text so that no spreadsheet takes it for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
