"""`elsinore report`: what can be said of any runs there are."""

import argparse

from elsinore.cli.arguments import add_runs_dir
from elsinore.cli.compare import add_readings


def add(commands) -> None:
    report = commands.add_parser("report", help="compare runs that there are, and write a report", description=(
        "Write report.html and report.md of any runs: also of unequal seeds, budgets and environments."))  # fmt: skip
    report.set_defaults(function=report_command)
    report.add_argument("runs", nargs="+", metavar="RUN",
                        help="a run or a comparison, by folder or by name; LABEL=RUN gives it a label")  # fmt: skip
    report.add_argument("--out", metavar="DIR", help="default: a comparison's own folder, or else report")
    add_runs_dir(report)
    add_readings(report)


def report_command(args: argparse.Namespace) -> int:
    from elsinore.host.comparison import api, terminal
    from elsinore.host.comparison.readings import parse_readings

    readings = parse_readings(args.threshold, args.reference)
    terminal.show(api.report(args.runs, out=args.out, runs_dir=args.runs_dir, **readings))
    return 0
