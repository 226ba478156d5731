"""`elsinore repair`: show what a run's folder holds, and restore its metrics.sqlite."""

import argparse

from elsinore.cli.arguments import add_run, add_runs_dir, add_trust, trust_of
from elsinore.cli.streams import say


def add(commands) -> None:
    repair = commands.add_parser(
        "repair",
        help="show what a run's folder holds, and restore a damaged metrics.sqlite",
        description=(
            "Restore metrics.sqlite from metrics.jsonl, as far as every row is certain. The"
            " damaged file is kept under another name."
        ),
    )
    repair.set_defaults(function=repair_command)
    add_run(repair)
    add_trust(repair)
    add_runs_dir(repair)


def repair_command(args: argparse.Namespace) -> int:
    from pathlib import Path

    from elsinore.runs.run_dir import RunDir
    from elsinore.runs.store.repair import repair

    for line in repair(RunDir.open(args.run, Path(args.runs_dir)), trust_of(args)):
        say(line)
    return 0
