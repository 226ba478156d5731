"""What several commands take, and how they end. Nothing heavy is imported here: help must be quick."""

import argparse

EXIT_BAD_INPUT, EXIT_INTERRUPTED = 2, 130


def add_runs_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runs-dir", default="runs", metavar="DIR", help="the folder of runs (default: runs)")


def add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="a YAML file of settings")
    add_assignments(command)


def add_assignments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--set", dest="assignments", action="append", default=[], metavar="NAME=VALUE",
                         help="one setting, e.g. algo.gamma=0.9; may be given again and again")  # fmt: skip
