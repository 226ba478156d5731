"""`elsinore compare`: several algorithms, several seeds each, and what can be said of them."""

import argparse
import sys

from elsinore.cli.arguments import EXIT_INTERRUPTED, add_runs_dir, add_settings

ALGOS = (
    "comma-separated, each an algorithm, a preset whose settings to use anywhere (ppo/CartPole-v1), 'module:function', "
    "or one of these with settings of its own and a name: LABEL=ALGO:key=value:key=value, e.g. "
    "ppo,fast=ppo:algo.learning_rate=0.003:algo.gamma=0.9"
)


def add(commands) -> None:
    compare = commands.add_parser("compare", help="train several algorithms on several seeds, and report", description=(
        "Train each algorithm in each environment, as ordinary runs in RUNS/NAME/ENV/LABEL, and write RUNS/NAME/"
        "report.html. The same command again goes on where it was."))  # fmt: skip
    compare.set_defaults(function=compare_command)
    compare.add_argument("--env", action="append", dest="envs", metavar="ENV", help="an environment; may be repeated")
    compare.add_argument("--algos", required=True, metavar="A,B,...", help=ALGOS)
    compare.add_argument("--seeds", type=int, help="how many, of each algorithm in each environment (default: 10)")
    compare.add_argument("--seed", type=int, help="the first random seed (default: 0)")
    compare.add_argument("--env-steps", type=int, metavar="N",
                         help="of each seed (default: the largest of the algorithms' presets)")  # fmt: skip
    add_settings(compare)
    compare.add_argument("--name", help="of the comparison's folder (default: made from the time)")
    add_runs_dir(compare)
    add_readings(compare)
    compare.add_argument("--accept-versions", action="store_true", help="resume runs of other library versions")
    compare.add_argument("--no-check", action="store_true", help="do not hold a world of one's own to the laws first")


def add_readings(command: argparse.ArgumentParser) -> None:
    """What a report may be told beside its runs."""
    command.add_argument("--threshold", action="append", default=[], metavar="[ENV=]RETURN",
                         help="the return to be reached (default: the runs' convergence.target)")  # fmt: skip
    command.add_argument("--reference", action="append", default=[], metavar="ENV=LOW:HIGH",
                         help="the returns that are 0 and 1 when environments are put together")  # fmt: skip


def compare_command(args: argparse.Namespace) -> int:
    from elsinore.config.load import parse_set
    from elsinore.host.comparison import api, terminal
    from elsinore.host.comparison.readings import parse_readings
    from elsinore.host.comparison.variants import split_algos

    comparison = api.compare(
        args.envs, split_algos(args.algos), seeds=args.seeds, seed=args.seed, env_steps=args.env_steps,
        config=args.config, overrides=parse_set(args.assignments), name=args.name, runs_dir=args.runs_dir,
        accept_versions=args.accept_versions, check=not args.no_check,
        **parse_readings(args.threshold, args.reference),
    )  # fmt: skip
    if comparison.interrupted:
        print(f"interrupted; the same command with --name {comparison.path.name} goes on", file=sys.stderr)
        return EXIT_INTERRUPTED
    terminal.show(comparison)
    return 0
