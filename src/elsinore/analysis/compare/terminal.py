"""A comparison printed in the terminal."""

import sys
from typing import TYPE_CHECKING

from elsinore.analysis.compare.caveats import unequal_settings, unlike_stages
from elsinore.analysis.compare.conclusions import conclusions
from elsinore.analysis.compare.document import format_count, format_estimate
from elsinore.errors import shown

if TYPE_CHECKING:
    from elsinore.analysis.compare.api import Comparison


def print_comparison(comparison: "Comparison") -> None:
    """Print the final returns, the conclusions, what is unequal, and the path of the report."""
    from rich.table import Table
    from rich.text import Text

    from elsinore.runs.plain_console import PlainConsole

    scores = comparison.scores
    console = PlainConsole(highlight=False, width=None if sys.stdout.isatty() else 120)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("environment", "algorithm"):
        table.add_column(name, overflow="fold")
    for name in ("seeds", "IQM, 95 % interval", "reached", "steps to\nthreshold", "steps/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for env in scores.envs:
        for i, result in enumerate(scores.in_env(env)):
            reached = scores.time_to_threshold(result)
            row = (
                env if i == 0 else "",
                result.label,
                str(result.seeds),
                format_estimate(scores.over_seeds(result, "iqm")),
                f"{reached.reached}/{reached.seeds}" if reached else "–",
                format_count(reached.env_steps if reached else None),
                format_count(result.summary["steps_per_second"]),
            )
            table.add_row(*map(Text, row))  # brackets are intervals, not rich's markup
    console.print()
    console.print(table)
    console.print()
    for sentence in conclusions(scores):
        console.print(sentence, markup=False)
    for sentence in (*unequal_settings(scores), *unlike_stages(scores)):
        console.print(sentence, markup=False)
    for run in comparison.results.excluded:
        console.print(f"excluded: {shown(run.path)} is {run.reason}", markup=False)
    console.print(f"report: {shown(comparison.path / 'report.html')}", markup=False, soft_wrap=True)
