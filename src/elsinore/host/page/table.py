"""Everything that a run has told, as a table: one line for each update and seed, a column for each metric."""

import csv
import io
import sqlite3
from collections.abc import Iterator
from itertools import groupby

from elsinore.host.page.runs import Shelf, info_of
from elsinore.host.page.series import labelled


def lines(shelf: Shelf, name: str) -> Iterator[str]:
    """The table as comma-separated values, line by line, however large it is."""
    with shelf.database(shelf.open(name)) as db:
        names = _metrics(db)
        steps = int(info_of(db).get("steps_per_update", 0))
        yield _line(["update", "env_steps", "seed", *names])
        rows = db.execute("SELECT update_, seed, agent, name, value FROM metrics ORDER BY update_, seed")
        for (update, seed), group in groupby(rows, key=lambda row: row[:2]):
            values = {labelled(name, agent): value for _, _, agent, name, value in group}
            yield _line([update, update * steps, seed, *(values.get(name) for name in names)])


def _metrics(db: sqlite3.Connection) -> list[str]:
    """The metrics there are. All of them are told at a chunk's end or beside it: the first and last chunks say."""
    ends = "SELECT update_ FROM chunks ORDER BY update_"
    some = [update for (update,) in db.execute(f"{ends} LIMIT 20")]
    some += [update for (update,) in db.execute(f"{ends} DESC LIMIT 20")]
    found = {labelled(name, agent) for update in some for name, agent in db.execute(
        "SELECT name, agent FROM metrics WHERE update_ = ?", (update,))}  # fmt: skip
    return sorted(found)


def _line(values: list) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
