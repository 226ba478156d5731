"""`elsinore envs`: the environments by name, their spaces, limits, returns and presets."""

import argparse


def add(commands) -> None:
    envs = commands.add_parser(
        "envs", help="list the registered environments: spaces, time limits, returns, presets"
    )
    envs.set_defaults(function=envs_command)
    envs.add_argument(
        "suite", nargs="?", metavar="SUITE", help="library whose environments to list, such as pgx"
    )
    envs.add_argument("--json", action="store_true", help="print JSON")


def envs_command(args: argparse.Namespace) -> int:
    from elsinore.analysis.environments import list_envs, list_suites

    if args.json:
        import json

        print(json.dumps([info._asdict() for info in list_envs(args.suite)], indent=1))
        return 0
    infos = list_envs(args.suite)
    width = max(24, *(len(info.name) for info in infos))
    head = ("environment", "observation", "actions", "limit", "random .. best", "presets")
    print(_row(width, *head))
    for info in infos:
        known = info.best_return is not None
        returns = f"{info.random_return:g} .. {info.best_return:g}" if known else ""
        limit = "" if info.time_limit is None else str(info.time_limit)
        observation = info.observation or "needs arguments or a download"
        observation = "a dictionary" if ", " in observation else observation
        presets = ", ".join(info.presets)
        print(_row(width, info.name, observation, info.actions or "", limit, returns, presets))
    if args.suite is None:
        print("\nlibraries (`elsinore envs SUITE` lists the environments of one):")
        for suite in list_suites():
            state = "installed" if suite.installed else suite.install
            print(f"{suite.name + '/...':16}{state:36}{suite.licence}".rstrip())
    return 0


def _row(width: int, *cells: str) -> str:
    widths = (width, 17, 14, 5, 16, 0)
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
