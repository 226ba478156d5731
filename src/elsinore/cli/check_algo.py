"""`elsinore check-algo`: is an algorithm one whose runs mean something?"""

import argparse

from elsinore.cli.arguments import add_assignments


def add(commands) -> None:
    check = commands.add_parser("check-algo", help="hold an algorithm to the laws that runs rely on")
    check.set_defaults(function=check_algo_command)
    check.add_argument("algo", metavar="ALGO", help="its name, or 'module:function'")
    check.add_argument("--env", metavar="ENV", help="the environment to ask in (default: a small one made for it)")
    add_assignments(check)
    check.add_argument("--thorough", action="store_true", help="also what takes a training to know")


def check_algo_command(args: argparse.Namespace) -> int:
    from elsinore.algos import algorithm
    from elsinore.cli.verdicts import show
    from elsinore.config.build import ConfigError
    from elsinore.envs import make
    from elsinore.laws.algorithm import check_algorithm

    try:
        config = _config_of(args.algo, args.assignments)
        env, params = make(args.env) if args.env is not None else (None, None)
        verdicts = check_algorithm(algorithm(args.algo), config, env=env, env_params=params, thorough=args.thorough)
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(str(error)) from error
    return show(args.algo, verdicts)


def _config_of(name: str, assignments: list[str]):
    from elsinore.algos.contract import config_type
    from elsinore.config.build import ConfigError, build
    from elsinore.config.load import parse_set, set_dotted

    data: dict = {}
    for setting, value in parse_set(assignments).items():
        set_dotted(data, setting, value)
    if other := sorted(set(data) - {"algo"}):
        raise ConfigError(f"--set {other[0]} is no setting of an algorithm; give algo.NAME=VALUE.")
    return build(config_type(name), data.get("algo", {}), "algo")
