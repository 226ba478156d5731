"""`elsinore check-env`: is a world one that training can rely on?"""

import argparse


def add(commands) -> None:
    check = commands.add_parser("check-env", help="hold an environment to the laws that training relies on")
    check.set_defaults(function=check_env_command)
    check.add_argument("env", metavar="ENV", help="'module:Class', or a known name")


def check_env_command(args: argparse.Namespace) -> int:
    from elsinore.cli.verdicts import show
    from elsinore.config.build import ConfigError
    from elsinore.envs import make
    from elsinore.laws.env import check_env

    try:
        env, params = make(args.env)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return show(args.env, check_env(env, params))
