"""Arguments shared by commands, and exit codes. Imports nothing heavy, so that help is quick."""

import argparse

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "run", metavar="RUN", help="run directory, or a run's name in the runs directory"
    )


def add_runs_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="directory of runs (default: runs)"
    )


def add_checkpoint(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--checkpoint",
        default="latest",
        metavar="NAME",
        help="checkpoint: best, latest or a name such as best/0000000120 (default: latest)",
    )


def add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="YAML file of settings")
    add_assignments(command)


def add_assignments(
    command: argparse.ArgumentParser, help: str = "setting, e.g. algo.gamma=0.9; repeatable"
) -> None:
    command.add_argument(
        "--set",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=help,
    )


def add_seeds(command: argparse.ArgumentParser, default: int) -> None:
    command.add_argument("--seed", type=int, metavar="N", help="first seed (default: 0)")
    command.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help=f"number of seeds, trained in parallel (default: {default})",
    )


def add_no_check(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-check", action="store_true", help="skip check-env for a custom environment"
    )
