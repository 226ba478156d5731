"""`elsinore sweep`: a search for good settings, and what it found."""

import argparse
import sys

from elsinore.cli.arguments import EXIT_INTERRUPTED, add_runs_dir


def add(commands) -> None:
    sweep = commands.add_parser("sweep", help="search for good settings", description=(
        "Train the trials of CONFIG, a YAML file with a section `sweep`, as populations in RUNS/NAME/groups, and say "
        "which settings did best. The same command under the same name goes on where it was."))  # fmt: skip
    sweep.set_defaults(function=sweep_command)
    sweep.add_argument("config", nargs="?", metavar="CONFIG", help="a YAML file of settings")
    sweep.add_argument("--set", dest="assignments", action="append", default=[], metavar="NAME=VALUE",
                       help="one setting, e.g. sweep.trials=8; may be given again and again")  # fmt: skip
    sweep.add_argument("--name", help="of the sweep's folder (default: made from the time)")
    sweep.add_argument("--resume", metavar="NAME", help="go on with this sweep, exactly where it was")
    add_runs_dir(sweep)


def sweep_command(args: argparse.Namespace) -> int:
    from rich.console import Console

    from elsinore.config.load import parse_set
    from elsinore.host.sweep import api
    from elsinore.host.sweep.report import table

    found = api.sweep(args.config, overrides=parse_set(args.assignments), name=args.name, runs_dir=args.runs_dir,
                      resume=args.resume)  # fmt: skip
    if found.interrupted:
        print(f"interrupted; go on with:\n  elsinore sweep --resume {found.path}", file=sys.stderr)
        return EXIT_INTERRUPTED
    summary = found.summary
    Console().print(table(found.sweep, found.results))
    print(f"{summary['trials']} trials: {summary['complete']} complete, {summary['pruned']} pruned, "
          f"{summary['failed']} failed; importance by {summary['importance']['method']}")  # fmt: skip
    if summary["best"] is not None:
        print(f"the best again: elsinore train --config {found.path / 'best.yaml'}")
    print(f"{found.path}/  trials.csv, summary.json, parallel_coordinates.png, importance.png")
    return 0
