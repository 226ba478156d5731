"""`elsinore check-env`: check the requirements of training on an environment."""

import argparse
from collections.abc import Sequence
from typing import Any

from elsinore.errors import ConfigError, counted


def add(commands) -> None:
    check = commands.add_parser(
        "check-env",
        help="check a custom environment",
        description=(
            "Check that an environment can be trained on: fixed structure, spaces, finite float32"
            " values, pure functions, vmap and auto-reset; of one in Python or C++, its seeds,"
            " copies and ends. Prints one line for each check."
        ),
    )
    check.set_defaults(function=check_env_command)
    check.add_argument("env", metavar="ENV", help="environment: a known name or 'module:Class'")
    check.add_argument(
        "--agents", type=int, default=1, metavar="N", help="agents that meet in it (default: 1)"
    )


def check_env_command(args: argparse.Namespace) -> int:
    from elsinore.checks.env import check_env
    from elsinore.envs import make

    try:
        env, params = make(args.env)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return print_check_results(args.env, check_env(env, params, agents=args.agents))


def print_check_results(name: str, results: Sequence[Any]) -> int:
    """Print one line for each check; returns exit code 0.

    Raises:
        ConfigError: if a check fails with level "error".
    """

    for result in results:
        failed = "warn" if result.level == "warning" else "FAIL"
        mark = "skip" if result.skipped else "ok  " if result.passed else failed
        explains = result.detail and (result.skipped or not result.passed)
        print(f"{mark} {result.check}{': ' + result.detail if explains else ''}")
    broken = [r.check for r in results if not r.passed and r.level == "error"]
    if broken:
        raise ConfigError(f"{name} fails {counted(len(broken), 'check')}: {', '.join(broken)}.")
    return 0
