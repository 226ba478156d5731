"""The command line. Each file here is one command: `add` describes it, and its function calls one thing.

Exit codes: 0 done, 2 bad input, 130 interrupted after an emergency checkpoint, 1 anything else.
"""

import argparse
import sys
from collections.abc import Sequence

from elsinore.cli import (
    cache,
    check,
    check_algo,
    compare,
    demo,
    envs,
    evaluate,
    export,
    old_flags,
    play,
    report,
    runs,
    sweep,
    train,
    watch,
)
from elsinore.cli.arguments import EXIT_BAD_INPUT, EXIT_INTERRUPTED

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
    runs,
    envs,
    check,
    check_algo,
    cache,
    old_flags,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors of the user's become one message and exit code 2."""
    sys.path.insert(0, "")  # a world of one's own, "module:Class", may lie in the current folder
    args = parser().parse_args(argv)
    from elsinore.config.build import ConfigError

    try:
        return args.function(args)
    except ConfigError as error:
        print(f"elsinore: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="elsinore", description="Reinforcement learning as one compiled program.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top
