"""Failures of a run that one message explains: memory, disk, open files, custom code."""

import errno
import logging
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from elsinore.errors import ElsinoreError, RunError, user_code

log = logging.getLogger("elsinore")

LIMITS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "a file has reached the largest size that is allowed (`ulimit -f`); raise it",
    errno.EMFILE: "no more files can be opened (`ulimit -n`); raise the limit",
    errno.ENFILE: "the system cannot open more files; close some",
}
LARGE = "algo.num_envs, algo.rollout_length, algo.buffer_size or seeds"


def limit_reached(error: BaseException, large: str = LARGE) -> str | None:
    """The limit of the machine that an error or its cause is about, with a remedy; None for others.

    `large` are the settings that use memory.
    """
    known = None
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        known = f"the memory of the device is used up; lower {large}"
    elif isinstance(error, OSError):
        known = LIMITS.get(error.errno or 0)
        known = f"{error.filename}: {known}" if known and error.filename else known
    elif isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error):
        known = LIMITS[errno.ENOSPC]
    cause = error.__cause__ or error.__context__
    return known or (limit_reached(cause, large) if cause is not None else None)


@contextmanager
def explained(custom_code: dict[str, Any], large: str = LARGE) -> Iterator[None]:
    """Raise a RunError for a limit of the machine that is reached, and for all that custom code
    raises."""
    with user_code(RunError, **custom_code):
        try:
            yield
        except ElsinoreError:
            raise
        except Exception as error:
            if (text := limit_reached(error, large)) is None:
                raise
            raise RunError(f"{text}.") from error


class LogFile(logging.FileHandler):
    """A log file that ends, with one warning, where it cannot be written."""

    broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.broken:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        self.broken, error = True, sys.exc_info()[1]
        log.warning("%s cannot be written and ends here: %s", self.baseFilename, error)

    def close(self) -> None:
        with suppress(OSError):  # what is buffered has been given up
            super().close()
