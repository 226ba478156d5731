"""Arguments shared by commands, and exit codes. Imports nothing heavy, so that help is quick."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from elsinore.errors import printable

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def add_run(command: argparse.ArgumentParser, more: str = "") -> None:
    command.add_argument(
        "run", metavar="RUN", help=f"run directory, or a run's name in the runs directory{more}"
    )


def add_runs_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--runs-dir", default="runs", metavar="DIR", help="directory of runs (default: runs)"
    )


def add_checkpoint(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--checkpoint",
        metavar="NAME",
        help="checkpoint: best, latest or a name such as best/0000000120 (default: best, or latest"
        " if none was kept as best)",
    )


def add_trust(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--trust",
        action="store_true",
        help="import code ('module:name') that the run's files name, and send its data where they"
        " say, though you did not make it",
    )


def trust_of(args: argparse.Namespace) -> bool | Callable[[str], bool]:
    """The answer of `--trust`; in a terminal without it, a function that asks the user."""
    return args.trust or (_ask if _in_terminal() else False)


def _in_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _ask(question: str) -> bool:
    try:
        return input(f"{printable(question)} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("-c", "--config", metavar="FILE", help="YAML file of settings")
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


class Assign(argparse.Action):
    """An option that is short for `--set NAME=VALUE`; `const` is the name."""

    def __call__(self, parser, namespace, values, option_string=None):
        namespace.assignments = [*namespace.assignments, f"{self.const}={values}"]


def add_no_check(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-check", action="store_true", help="skip check-env for a custom environment"
    )


def add_on(command: argparse.ArgumentParser) -> None:
    """Add the options of a cluster."""
    command.add_argument(
        "--on",
        metavar="ray[://HOST:PORT]",
        help="train the runs side by side on a Ray cluster: that of RAY_ADDRESS, or else this"
        " machine's cores and GPUs; results are those of runs one by one",
    )
    command.add_argument(
        "--cpus-per-task", type=int, metavar="N", help="CPU cores of each run (with --on)"
    )
    command.add_argument(
        "--gpus-per-task",
        type=float,
        metavar="N",
        help="GPUs of each run, also a fraction (with --on; default: 1 where there are any)",
    )


def add_accept(command: argparse.ArgumentParser, runs: str = "runs") -> None:
    """Add the options of what a resumed run may differ in from one that was never stopped; `runs`
    are the words for what the command resumes."""
    command.add_argument(
        "--accept-versions",
        action="store_true",
        help=f"resume {runs} that other versions of libraries or of your code began",
    )
    command.add_argument(
        "--accept-layout",
        action="store_true",
        help=f"resume {runs} on another number of devices, though results differ by rounding",
    )


def accept_of(args: argparse.Namespace) -> dict[str, bool]:
    """The differences that resumed runs may have, as arguments of `compare` and `sweep`."""
    return {name: getattr(args, name) for name in ("accept_versions", "accept_layout")}


def on_of(args: argparse.Namespace) -> dict[str, Any]:
    """The options of a cluster, as arguments of `compare` and `sweep`."""
    return {name: getattr(args, name) for name in ("on", "cpus_per_task", "gpus_per_task")}
