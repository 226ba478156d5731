"""`elsinore sync`: bring a run's sinks up to its metrics."""

import argparse

from elsinore.cli.arguments import EXIT_FAILED, add_run, add_runs_dir, add_trust, trust_of
from elsinore.cli.streams import say


def add(commands) -> None:
    sync = commands.add_parser(
        "sync",
        help="complete the sinks of a run (MLflow, TensorBoard ...) that a kill left incomplete",
        description="Bring the sinks that a run did not close up to its metrics.sqlite.",
    )
    sync.set_defaults(function=sync_command)
    add_run(sync)
    add_runs_dir(sync)
    add_trust(sync)


def sync_command(args: argparse.Namespace) -> int:
    from pathlib import Path

    from elsinore.runs.run_dir import RunDir
    from elsinore.runs.sinks.sync import UP_TO_DATE, finish_sinks

    outcomes = finish_sinks(RunDir.open(args.run, Path(args.runs_dir)), trust=trust_of(args))
    for name, outcome in outcomes.items():
        say(f"{name}: {outcome}")
    if not outcomes:
        say("all sinks are up to date")
    return 0 if set(outcomes.values()) <= {UP_TO_DATE} else EXIT_FAILED
