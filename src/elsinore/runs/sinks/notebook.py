"""The progress of a run in a notebook: one output, with the curves so far, that is drawn again."""

import html
import sys

from elsinore.runs.curves.svg import rows_svg
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.sinks.console import Console

RETURNS = ("eval/return", "episode/return")  # the first that the run has is drawn
MOST_ROWS = 4000  # of a curve; then every second update is left out


class NotebookProgress(Console):
    """Shows the progress line and the returns of every seed below a notebook's cell."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._live, self._every = False, 1.0
        self._returns: dict[str, list[Row]] = {name: [] for name in RETURNS}
        self._shown = None  # IPython's handle of the output

    def write(self, record: ChunkRecord) -> None:
        for name, rows in self._returns.items():
            rows += [row for row in record.rows if row.name == name and not row.agent]
            if len(rows) > MOST_ROWS:
                self._returns[name] = thinned(rows)
        super().write(record)

    def show(self, line: str) -> None:
        from IPython.display import HTML, display

        name = next((name for name, rows in self._returns.items() if rows), RETURNS[0])
        curve = rows_svg(self._returns[name], name)
        figure = f"{curve} {name}" if curve else ""
        page = HTML(f"<pre style='white-space: pre-wrap'>{html.escape(line)}</pre>{figure}")
        if self._shown is None:
            self._shown = display(page, display_id=True)
        else:
            self._shown.update(page)


def thinned(rows: list[Row]) -> list[Row]:
    """The rows of every second update, the newest among them."""
    kept = set(sorted({row.update for row in rows})[::-2])
    return [row for row in rows if row.update in kept]


def in_notebook() -> bool:
    """True in the kernel of a notebook, which has a place for outputs below each cell."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")
