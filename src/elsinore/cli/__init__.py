"""The command line. Each module is one command: `add` declares it, its function calls one API.

Exit codes: 0 success, 2 invalid input, 130 interrupted (after an emergency checkpoint, where
anything was trained), 1 otherwise.
"""

import argparse
import atexit
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from elsinore import __version__
from elsinore.arguments import in_home
from elsinore.cli import (
    check_algo,
    check_env,
    checkpoints,
    compare,
    completion,
    demo,
    doctor,
    envs,
    evaluate,
    export,
    play,
    repair,
    report,
    runs,
    settings,
    sweep,
    sync,
    train,
    watch,
)
from elsinore.cli.arguments import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED
from elsinore.cli.compile_cache import one_line_about_the_cache
from elsinore.cli.interrupts import end_with_xla, ending_imports
from elsinore.cli.parser import Parser
from elsinore.cli.streams import whole_streams
from elsinore.envs.registry import families
from elsinore.errors import ConfigError, ElsinoreError, printable, reason_of, shortened

COMMANDS = (
    train,
    watch,
    evaluate,
    export,
    play,
    demo,
    sweep,
    compare,
    report,
    doctor,
    runs,
    checkpoints,
    repair,
    sync,
    settings,
    envs,
    check_env,
    check_algo,
    completion,
)


def main(argv: Sequence[str] | None = None, parser: argparse.ArgumentParser | None = None) -> int:
    """Run one command; a failure becomes one message, with exit code 2 for invalid input."""
    # a custom environment, "module:Class", may be in the current folder; installed modules win
    sys.path.append("")
    # Python looks for cycles among all objects several times before it ends: 1.5 s after a training
    atexit.register(gc.freeze)
    with whole_streams(), one_line_about_the_cache(), ending_imports():
        code = _run(parser or elsinore_parser(), argv)
    if code == EXIT_INTERRUPTED and argv is None:
        end_with_xla()
    return code


def _run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    from elsinore.runs.failures import explained

    try:
        with explained({}):
            args = parser.parse_args(argv)
            vars(args).update({name: in_home(name, value) for name, value in vars(args).items()})
            _check_runs_dir(getattr(args, "runs_dir", None))
            return args.function(args)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_FAILED
    except Exception as error:
        return _failed(error)


def _check_runs_dir(runs_dir: str | None) -> None:
    if runs_dir == "":
        raise ConfigError("--runs-dir '' is no path; use '.' for the current folder.")
    if runs_dir is not None and os.path.isfile(runs_dir):
        raise ConfigError(f"--runs-dir {runs_dir} is a file; give the folder that holds runs.")


def _failed(error: Exception) -> int:
    """Print one message; returns the exit code. `ELSINORE_DEBUG` shows the whole traceback."""
    if os.environ.get("ELSINORE_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, AssertionError | RuntimeError) and not isinstance(error, ElsinoreError):
        from elsinore.jaxtools.platform import platform_refusal

        error = ConfigError(refusal) if (refusal := platform_refusal(several=True)) else error
    # without a current folder Python 3.13.0 raises SystemError for an attribute that a module lacks
    kinds = FileNotFoundError | SystemError
    missing = any(isinstance(x, kinds) for x in (error, error.__cause__))
    if missing and _in_deleted_folder():
        error = ConfigError("the current folder was deleted; `cd` to one that exists.")
    text = str(error)
    if not isinstance(error, ElsinoreError):
        text = shortened(f"{reason_of(error)}; ELSINORE_DEBUG=1 shows the whole traceback.")
    print(f"elsinore: {printable(text)}", file=sys.stderr)
    return EXIT_BAD_INPUT if isinstance(error, ConfigError) else EXIT_FAILED


def _in_deleted_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def elsinore_parser() -> argparse.ArgumentParser:
    """The parser of all commands, including those of plug-ins."""
    top = Parser(
        prog="elsinore",
        description=(
            "Train, evaluate and compare reinforcement learning agents. Environment, policy and"
            " learning run as one compiled JAX program."
        ),
        epilog="Begin with: elsinore train CartPole-v1",
    )
    top.add_argument("--version", action="version", version=f"elsinore {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    plugin_modules = (family.command for family in families().values() if family.command)
    for command in (*COMMANDS, *map(importlib.import_module, plugin_modules)):
        command.add(commands)
    return top
