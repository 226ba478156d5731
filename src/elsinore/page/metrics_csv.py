"""A run's metrics as CSV: a row for each update and seed, a column for each metric."""

import csv
import io
import sqlite3
from collections.abc import Iterator
from itertools import groupby

from elsinore.page.runs_directory import RunsDirectory, info_of
from elsinore.page.series import metric_label


def csv_lines(runs: RunsDirectory, name: str) -> Iterator[str]:
    """The lines of the file, one at a time, so that its size does not matter."""
    with runs.database(runs.open(name)) as db:
        names = _metric_labels(db)
        steps = int(info_of(db).get("steps_per_update", 0))
        yield _csv_line(["update", "env_steps", "seed", *names])
        rows = db.execute(
            "SELECT update_, seed, agent, name, value FROM metrics ORDER BY update_, seed"
        )
        for (update, seed), group in groupby(rows, key=lambda row: row[:2]):
            values = {metric_label(name, agent): value for _, _, agent, name, value in group}
            yield _csv_line([update, update * steps, seed, *(values.get(name) for name in names)])


def _metric_labels(db: sqlite3.Connection) -> list[str]:
    """All metrics, read from the first and last chunks only: every metric is logged there."""
    ends = "SELECT update_ FROM chunks ORDER BY update_"
    some = [update for (update,) in db.execute(f"{ends} LIMIT 20")]
    some += [update for (update,) in db.execute(f"{ends} DESC LIMIT 20")]
    found = {
        metric_label(name, agent)
        for update in some
        for name, agent in db.execute(
            "SELECT name, agent FROM metrics WHERE update_ = ?", (update,)
        )
    }
    return sorted(found)


def _csv_line(values: list) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
