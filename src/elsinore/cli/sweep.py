"""`elsinore sweep`: hyperparameter search."""

import argparse
import sys

from elsinore.cli.arguments import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    accept_of,
    add_accept,
    add_assignments,
    add_on,
    add_runs_dir,
    add_trust,
    on_of,
    trust_of,
)
from elsinore.cli.streams import forgive_stdout, say
from elsinore.errors import counted, quoted, shown

WIDE = 400  # columns of a table that goes to a file, which no screen cuts


def add(commands) -> None:
    sweep = commands.add_parser(
        "sweep",
        help="search for good hyperparameters",
        description=(
            "Train the trials of CONFIG, a YAML file with a section `sweep`, as populations in"
            " RUNS_DIR/NAME/groups, and rank their settings. The same command with the same --name"
            " resumes the sweep."
        ),
    )
    sweep.set_defaults(function=sweep_command)
    sweep.add_argument("config", nargs="?", metavar="CONFIG", help="YAML file of settings")
    add_assignments(sweep, help="setting, e.g. sweep.trials=8; repeatable")
    sweep.add_argument("--name", help="directory name of the sweep (default: from the time)")
    sweep.add_argument("--resume", metavar="NAME", help="sweep to resume, with its own settings")
    add_trust(sweep)
    add_runs_dir(sweep)
    add_on(sweep)
    add_accept(sweep)


def sweep_command(args: argparse.Namespace) -> int:
    from elsinore.analysis.sweep import api
    from elsinore.analysis.sweep.report import results_table
    from elsinore.config.yaml_files import parse_set
    from elsinore.runs.plain_console import PlainConsole

    forgive_stdout()
    found = api.sweep(
        args.config,
        overrides=parse_set(args.assignments),
        name=args.name,
        runs_dir=args.runs_dir,
        resume=args.resume,
        trust=trust_of(args),
        **accept_of(args),
        **on_of(args),
    )
    if found.interrupted:
        resume = f"elsinore sweep --resume {quoted(found.path)}"
        say(f"interrupted; resume with:\n  {resume}", file=sys.stderr)
        return EXIT_INTERRUPTED
    summary = found.summary
    width = None if sys.stdout.isatty() else WIDE
    PlainConsole(width=width).print(results_table(found.sweep, found.results))
    say(
        f"{counted(summary['trials'], 'trial')}: {summary['complete']} complete,"
        f" {summary['pruned']} pruned, {summary['failed']} failed;"
        f" importance by {summary['importance']['method']}"
    )
    if (best_run := found.best_run) is not None:
        which = f"--seed {found.best_seed} --checkpoint latest"
        say(f"its policy: elsinore play {quoted(best_run.path)} {which}")
        if found.sweep.config.sampler == "pbt":
            last = shown(found.path / "best.yaml")
            say(f"its settings changed while it trained; the last ones are in {last}")
        else:
            again = f"elsinore train --config {quoted(found.path / 'best.yaml')}"
            say(f"train the best again: {again}")
    say(f"{shown(found.path)}/  trials.csv, summary.json, parallel_coordinates.png, importance.png")
    if summary["best"] is None:
        log_file = quoted(found.path / "logs" / "sweep.log")
        say(f"elsinore: no trial is complete; {log_file} says why.", file=sys.stderr)
        return EXIT_FAILED
    return 0
