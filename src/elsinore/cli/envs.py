"""`elsinore envs`: the environments by name, their spaces, limits, returns and presets."""

import argparse
from collections.abc import Sequence


def add(commands) -> None:
    envs = commands.add_parser(
        "envs", help="list the registered environments: spaces, time limits, returns, presets"
    )
    envs.set_defaults(function=envs_command)
    envs.add_argument(
        "suite",
        nargs="?",
        metavar="SUITE",
        help="library whose environments to list, such as pgx; or one name, such as pgx/chess",
    )
    envs.add_argument(
        "--names", action="store_true", help="names alone; none of the environments is made"
    )
    envs.add_argument("--json", action="store_true", help="print JSON")


def envs_command(args: argparse.Namespace) -> int:
    from elsinore.analysis.environments import env_info, env_names

    names = env_names(args.suite)
    if args.json:
        import json

        infos = names if args.names else [env_info(name)._asdict() for name in names]
        print(json.dumps(infos, indent=1))
    elif args.names:
        print("\n".join(names))
    else:
        _print_table(names)
        if args.suite is None:
            _print_suites()
    return 0


def _print_table(names: Sequence[str]) -> None:
    """A row for each environment, as soon as it is made."""
    from elsinore.analysis.environments import env_info

    width = max(24, max(map(len, names), default=0))
    head = ("environment", "observation", "actions", "limit", "random .. reference", "presets")
    print(_row(width, *head))
    for info in map(env_info, names):
        known = info.best_return is not None
        returns = f"{info.random_return:g} .. {info.best_return:g}" if known else ""
        limit = "" if info.time_limit is None else str(info.time_limit)
        observation = info.observation or "not made by its name alone"
        observation = "a dictionary" if ", " in observation else observation
        presets = ", ".join(info.presets)
        row = _row(width, info.name, observation, info.actions or "", limit, returns, presets)
        print(row, flush=True)


def _print_suites() -> None:
    from elsinore.analysis.environments import list_suites

    print("\nlibraries (`elsinore envs SUITE` lists the environments of one):")
    for suite in list_suites():
        state = "installed" if suite.installed else suite.install
        print(f"{suite.name + '/...':16}{state:36}{suite.licence}".rstrip())


def _row(width: int, *cells: str) -> str:
    widths = (width, 17, 14, 5, 19, 0)
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
