"""`elsinore compare`: train several algorithms on several seeds, and write a report."""

import argparse
import sys

from elsinore.cli.arguments import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    Assign,
    accept_of,
    add_accept,
    add_no_check,
    add_on,
    add_runs_dir,
    add_seeds,
    add_settings,
    on_of,
)
from elsinore.cli.streams import forgive_stdout, say
from elsinore.errors import quoted

ALGOS = (
    "comma-separated algorithms, repeatable: a known name, a preset (ppo/CartPole-v1: its settings"
    " in every environment) or 'module:function'. LABEL=ALGO:key=value:key=value adds a label and"
    " settings, e.g. ppo,fast=ppo:algo.learning_rate=0.003:algo.gamma=0.9"
)


def add(commands) -> None:
    compare = commands.add_parser(
        "compare",
        help="train several algorithms on several seeds, and write a report",
        description=(
            "Train each algorithm in each environment, as runs in RUNS_DIR/NAME/ENV/LABEL, and"
            " write RUNS_DIR/NAME/report.html. The same command with --name resumes it."
        ),
    )
    compare.set_defaults(function=compare_command)
    compare.add_argument(
        "named", nargs="*", metavar="ENV", help="environments, as for `elsinore train`"
    )
    compare.add_argument(
        "--env",
        action="append",
        dest="envs",
        default=[],
        metavar="ENV",
        help="the same; repeatable",
    )
    compare.add_argument(
        "--algos", "--algo", required=True, action="append", metavar="A,B,...", help=ALGOS
    )
    add_seeds(compare, default=10)
    add_settings(compare)
    compare.add_argument(
        "--env-steps",
        dest="assignments",
        action=Assign,
        const="env_steps",
        metavar="N",
        help="env steps per seed (default: that of the runs begun, or the largest of the presets)",
    )
    compare.add_argument("--name", help="directory name of the comparison (default: from the time)")
    add_runs_dir(compare)
    add_on(compare)
    add_thresholds(compare)
    add_accept(compare)
    add_no_check(compare)


def add_thresholds(command: argparse.ArgumentParser) -> None:
    """Add the options of thresholds and reference returns."""
    command.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="[ENV=]RETURN",
        help="return to reach (default: the runs' convergence.target); repeatable",
    )
    command.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="ENV=LOW:HIGH",
        help="returns that count as 0 and 1 when environments are aggregated; repeatable",
    )


def compare_command(args: argparse.Namespace) -> int:
    from elsinore.analysis.compare import api, terminal
    from elsinore.analysis.compare.thresholds import parse_thresholds
    from elsinore.analysis.compare.variants import split_algos
    from elsinore.config.yaml_files import parse_set

    forgive_stdout()
    comparison = api.compare(
        [*args.named, *args.envs] or None,
        split_algos(",".join(args.algos)),
        seeds=args.seeds,
        seed=args.seed,
        config=args.config,
        overrides=parse_set(args.assignments),
        name=args.name,
        runs_dir=args.runs_dir,
        **accept_of(args),
        check=not args.no_check,
        **on_of(args),
        **parse_thresholds(args.threshold, args.reference),
    )
    same = f"the same command with --name {quoted(comparison.path.name)}"
    if comparison.interrupted:
        say(f"interrupted; resume by {same}", file=sys.stderr)
        return EXIT_INTERRUPTED
    terminal.print_comparison(comparison)
    for name, error in comparison.failed.items():
        say(f"{name} failed: {error}", file=sys.stderr)
    if comparison.failed:
        say(f"{same} tries again", file=sys.stderr)
    return EXIT_FAILED if comparison.failed else 0
