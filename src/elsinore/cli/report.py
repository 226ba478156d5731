"""`elsinore report`: a comparison report of existing runs."""

import argparse

from elsinore.cli.arguments import add_runs_dir
from elsinore.cli.compare import add_thresholds


def add(commands) -> None:
    report = commands.add_parser(
        "report",
        help="compare existing runs, and write a report",
        description=(
            "Write report.html and report.md of existing runs; seeds, budgets and environments may"
            " differ."
        ),
    )
    report.set_defaults(function=report_command)
    report.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="run or comparison, by directory or name; LABEL=RUN and LABEL=COMPARISON label them",
    )
    report.add_argument(
        "--out",
        metavar="DIR",
        help="output directory (default: the comparison's own, or report for single runs)",
    )
    add_runs_dir(report)
    add_thresholds(report)


def report_command(args: argparse.Namespace) -> int:
    from elsinore.analysis.compare import api, terminal
    from elsinore.analysis.compare.thresholds import parse_thresholds

    given = parse_thresholds(args.threshold, args.reference)
    terminal.print_comparison(api.report(args.runs, out=args.out, runs_dir=args.runs_dir, **given))
    return 0
