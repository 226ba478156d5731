"""`elsinore envs`: the registered environments and their presets."""

import argparse


def add(commands) -> None:
    envs = commands.add_parser("envs", help="list the registered environments and their presets")
    envs.set_defaults(function=envs_command)


def envs_command(args: argparse.Namespace) -> int:
    from elsinore.config.presets import PRESETS
    from elsinore.envs import names

    presets = {}
    for name in PRESETS:
        algo, env = name.split("/", 1)
        presets.setdefault(env, []).append(algo)
    for name in names():
        print(
            f"{name:26} {'preset: ' + ', '.join(presets[name]) if name in presets else ''}".rstrip()
        )
    return 0
