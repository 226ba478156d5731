"""The state of a run, which another process may train."""

from pathlib import Path
from typing import Any

from elsinore.errors import ConfigError
from elsinore.runs.control import SOCKET, Busy, ask
from elsinore.runs.run_dir import RunDir
from elsinore.runs.summary import has_ended

LIVE = ("compiling", "training", "pausing", "paused", "stopping")


def run_state(run: RunDir, summary: dict[str, Any]) -> str:
    """One of `LIVE`, or the reason of the end; `interrupted` if it neither trains nor has ended.

    The socket of a run is out of reach where another machine trains it, and missing where it could
    not be made: its lock says that it trains.
    """
    if (run.path / SOCKET).exists():  # a link to another run's socket is not followed
        try:
            return ask(run.path, timeout=0.5)
        except Busy:
            return "training"
        except ConfigError:
            pass
    if run.is_locked() and not has_ended(summary):  # a sink that is late keeps the lock
        return "training"
    return str(summary.get("stopped_by", "interrupted"))


def is_training(run: Path) -> bool:
    """True if a process trains the run, also one too busy to answer."""
    try:
        ask(run, timeout=0.5)
    except Busy:
        return True
    except ConfigError:
        return False
    return True
