"""`elsinore check-algo`: check the requirements that training puts on an algorithm."""

import argparse

from elsinore.cli.arguments import add_assignments
from elsinore.errors import ConfigError


def add(commands) -> None:
    check = commands.add_parser(
        "check-algo",
        help="check a custom algorithm",
        description=(
            "Check that an algorithm can be trained: fixed structure, pure functions, PRNG keys,"
            " vmap over seeds, action masks, learning and metrics. Prints one line for each check."
        ),
    )
    check.set_defaults(function=check_algo_command, settable="algo.")  # by `--set`
    check.add_argument("algo", metavar="ALGO", help="algorithm: a known name or 'module:function'")
    check.add_argument(
        "--env", metavar="ENV", help="environment to check it in (default: a small test one)"
    )
    add_assignments(check)
    check.add_argument(
        "--thorough",
        action="store_true",
        help="run the check of time limits too, which trains for 200,000 env steps",
    )


def check_algo_command(args: argparse.Namespace) -> int:
    from elsinore.algos.registry import algorithm
    from elsinore.checks.algorithm import check_algorithm
    from elsinore.cli.check_env import print_check_results
    from elsinore.envs import make

    try:
        config = _config_of(args.algo, args.assignments)
        env, params = make(args.env) if args.env is not None else (None, None)
        results = check_algorithm(
            algorithm(args.algo), config, env=env, env_params=params, thorough=args.thorough
        )
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(str(error)) from error
    return print_check_results(args.algo, results)


def _config_of(name: str, assignments: list[str]):
    from elsinore.algos.registry import config_type
    from elsinore.config.mappings import set_dotted
    from elsinore.config.parse import build
    from elsinore.config.yaml_files import parse_set

    data: dict = {}
    for setting, value in parse_set(assignments).items():
        set_dotted(data, setting, value)
    if other := sorted(set(data) - {"algo"}):
        raise ConfigError(
            f"--set {other[0]} is not a setting of an algorithm; give algo.NAME=VALUE."
        )
    return build(config_type(name), data.get("algo", {}), "algo")
