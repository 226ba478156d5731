"""A comparison in the terminal."""

import sys
from typing import TYPE_CHECKING

from elsinore.host.comparison.document import whole, with_interval
from elsinore.host.comparison.verdicts import verdicts

if TYPE_CHECKING:
    from elsinore.host.comparison.api import Comparison


def show(comparison: "Comparison") -> None:
    """A table of final returns, what can be said of them, and where the report is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    scores, console = comparison.scores, Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("environment", "algorithm"):
        table.add_column(name, overflow="fold")
    for name in ("seeds", "IQM, 95 % interval", "reached", "steps to it", "steps/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for env in scores.envs:
        for i, result in enumerate(scores.in_env(env)):
            reach = scores.reach(result)
            row = (
                env if i == 0 else "", result.label, str(result.seeds), with_interval(scores.over_seeds(result, "iqm")),
                f"{reach.reached}/{reach.seeds}" if reach else "–",
                whole(reach.env_steps if reach else None), whole(result.summary["steps_per_second"]),
            )  # fmt: skip
            table.add_row(*map(Text, row))  # brackets are intervals, not rich's markup
    console.print()
    console.print(table)
    console.print()
    for verdict in verdicts(scores):
        console.print(verdict, markup=False)
    for run in comparison.results.unfinished:
        console.print(f"not counted: {run.path} is {run.why}", markup=False)
    console.print(f"report: {comparison.path / 'report.html'}", markup=False, soft_wrap=True)
