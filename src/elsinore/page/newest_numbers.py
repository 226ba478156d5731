"""The newest evaluations of a run with the other metrics of their updates, for a table on its page.

They are read from the store: a point of a long run's curves is a mean of several updates.
"""

from typing import Any

from elsinore.page.runs_directory import RunsDirectory

NAMES = (
    "eval/return",
    "eval/length",
    "episode/return",
    "episode/length",
    "loss/policy",
    "loss/value",
)
MOST_ROWS = 200  # the CSV file has all

NEWEST = """
SELECT update_, seed FROM metrics WHERE name = ? AND agent = ''
ORDER BY update_ DESC, seed LIMIT ?
"""
VALUES = "SELECT name, value FROM metrics WHERE update_ = ? AND seed = ? AND agent = ''"


def newest_numbers(runs: RunsDirectory, name: str) -> dict[str, Any]:
    """`names` of metrics, and `rows` of an update, a seed, and the value of each metric, the newest
    first.

    The rows are those of the first of `NAMES` that the run has: of its evaluations, if it has any.

    Raises:
        PageError: if the run or its metrics cannot be read.
    """
    with runs.database(runs.open(name)) as db:
        every = (list(db.execute(NEWEST, (first, MOST_ROWS))) for first in NAMES)
        newest = [(int(update), int(seed)) for update, seed in next(filter(None, every), [])]
        values = [dict(db.execute(VALUES, place)) for place in newest]
    names = [name for name in NAMES if any(name in found for found in values)]
    rows = [
        [*place, *(found.get(name) for name in names)]
        for place, found in zip(newest, values, strict=True)
    ]
    return {"names": names, "rows": rows}
