"""`elsinore runs`: a table of all runs with their states and returns."""

import argparse
from pathlib import Path

from elsinore.cli.arguments import add_runs_dir
from elsinore.cli.streams import say


def add(commands) -> None:
    runs = commands.add_parser("runs", help="list the runs with their states and returns")
    runs.set_defaults(function=runs_command)
    add_runs_dir(runs)


def runs_command(args: argparse.Namespace) -> int:
    from elsinore.page.runs_directory import list_runs

    top = Path(args.runs_dir)
    names, skipped = list_runs(top, links=True)
    if not names and not skipped:
        say(f"no runs in {args.runs_dir}; start one with `elsinore train CartPole-v1`")
        return 0
    width = max(map(len, names), default=3)
    say(f"{'run':{width}}  {'state':12} {'seeds':>5}  {'env steps':>12}  {'return (IQM)':>12}")
    unread: list[tuple[str, str]] = []
    for name in names:
        reasons: list[str] = []
        try:
            row = _row(top / name, reasons)
        except Exception as error:  # its files may hold anything; the other runs are listed
            row = f"unreadable: {str(error) or type(error).__name__}"
        say(f"{name:{width}}  {' '.join(row.splitlines())}")
        unread += [(name, reason) for reason in reasons]
    for name, reason in (*unread, *skipped.items()):
        say(f"not shown of {name}: {reason}" if name in names else f"skipped {name}: {reason}")
    return 0


def _row(folder: Path, unread: list[str]) -> str:
    """State, seeds, env steps and return of a run; `unread` gets what its summary lacks."""
    from elsinore.analysis.compare.document import format_number
    from elsinore.config.load import read_yaml
    from elsinore.page.run_status import LIVE, final_return, run_state, summary_of
    from elsinore.page.runs_directory import RunsDirectory
    from elsinore.runs.budgets import ending

    folder = folder.resolve()
    runs = RunsDirectory(folder.parent)
    run = runs.open(folder.name)
    summary = summary_of(runs, run, unread)
    state = run_state(run, summary)
    if "stopped_by" not in summary or state in LIVE:  # a resumed run has the summary of its stop
        seeds = read_yaml(run.config).get("seeds", "-")
        return f"{state:12} {seeds!s:>5}"
    how = ending(state)
    steps, score = summary.get("env_steps", 0), final_return(summary)
    shown = "-" if score is None else format_number(score)
    seeds = summary.get("seeds", "-")
    return f"{how:12} {seeds:>5}  {steps:>12,}  {shown:>12}"
