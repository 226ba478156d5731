"""`elsinore runs`: a table of all runs with their states and returns."""

import argparse
import json
from pathlib import Path
from typing import Any

from elsinore.cli.arguments import add_runs_dir
from elsinore.cli.streams import say
from elsinore.errors import one_line, quoted

WIDEST = 40  # cells of the column of names


def add(commands) -> None:
    runs = commands.add_parser("runs", help="list the runs with their states and returns")
    runs.set_defaults(function=runs_command)
    add_runs_dir(runs)
    runs.add_argument("--json", action="store_true", help="print JSON")


def runs_command(args: argparse.Namespace) -> int:
    from elsinore.runs.listing import list_runs

    top = Path(args.runs_dir)
    names, skipped = list_runs(top, links=True)
    rows = [_row(top, name) for name in names]
    if args.json:
        skipped_rows = [{"run": name, "skipped": reason} for name, reason in skipped.items()]
        print(json.dumps(rows + skipped_rows, indent=1))
    elif not names and not skipped:
        into = "" if top == Path("runs") else f" --runs-dir {quoted(top)}"
        say(f"no runs in {args.runs_dir}; start one with `elsinore train CartPole-v1{into}`")
    else:
        _say_table(rows, skipped)
    return 0


def _say_table(rows: list[dict[str, Any]], skipped: dict[str, str]) -> None:
    from rich.cells import cell_len, set_cell_size

    from elsinore.analysis.compare.document import format_number

    width = min(max((cell_len(row["run"]) for row in rows), default=3), WIDEST)
    populations = any("members" in row for row in rows)
    members = f" {'members':>7}" if populations else ""
    say(
        f"{'run':{width}}  {'state':12}{members} {'seeds':>5}  {'env steps':>12}"
        f"  {'return (IQM)':>12}"
    )
    for row in rows:
        name = row["run"]
        if cell_len(name) > width:  # whole, on a line of its own
            say(name)
            name = ""
        line = f"{set_cell_size(name, width)}  {row['state']:12}"
        if populations:
            line += f" {row.get('members', '-'):>7}"
        if "seeds" in row:
            line += f" {'-' if row['seeds'] is None else row['seeds']!s:>5}"
        if "env_steps" in row:
            score = row["return"]
            line += f"  {row['env_steps']:>12,}"
            line += f"  {'-' if score is None else format_number(score):>12}"
        say(line.rstrip())
    for row in rows:
        for reason in row["unread"]:
            say(f"not shown of {row['run']}: {reason}")
    for name, reason in skipped.items():
        say(f"skipped {name}: {reason}")


def _row(top: Path, name: str) -> dict[str, Any]:
    """A run's name, state, seeds, env steps so far and, once it has ended, return; `unread` says
    what its summary lacks. Where its files cannot be read, the state says so."""
    unread: list[str] = []
    try:
        found = _facts((top / name).resolve(), unread)
    except Exception as error:  # its files may hold anything; the other runs are listed
        found = {"state": f"unreadable: {one_line(error) or type(error).__name__}"}
    return {"run": name, **found, "unread": unread}


def _facts(folder: Path, unread: list[str]) -> dict[str, Any]:
    from elsinore.config.yaml_files import read_yaml
    from elsinore.page.run_status import status_of, summary_of
    from elsinore.page.runs_directory import RunsDirectory
    from elsinore.runs.budgets import ending
    from elsinore.runs.run_state import LIVE, run_state
    from elsinore.runs.summary import final_return

    runs = RunsDirectory(folder.parent)
    run = runs.open(folder.name)
    summary = summary_of(runs, run, unread)
    state = run_state(run, summary)
    if "stopped_by" not in summary or state in LIVE:  # a resumed run has the summary of its stop
        config = read_yaml(run.config)
        varied = next(iter(config.get("vary", {}).values()), None)
        seeds = config.get("seeds")
        seeds = seeds if type(seeds) is int else None  # YAML has dates, too, which JSON has not
        found = {"state": state, **_members(varied), "seeds": seeds}
        steps = status_of(runs, folder.name).get("env_steps")
        return found if steps is None else found | {"env_steps": steps, "return": None}
    return {
        "state": ending(state),
        **_members(summary.get("members")),
        "seeds": summary.get("seeds"),
        "env_steps": summary.get("env_steps", 0),
        "return": final_return(summary, "iqm"),
    }


def _members(each: Any) -> dict[str, int]:
    """The number of members of a population, whose settings or values are in a list."""
    return {"members": len(each)} if isinstance(each, list) else {}
