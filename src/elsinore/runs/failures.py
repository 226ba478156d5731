"""Failures of a run that one message explains: memory, disk, open files, custom code."""

import errno
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from elsinore.errors import ElsinoreError, RunError, user_code

MACHINE_LIMITS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "a file has reached the largest size that is allowed (`ulimit -f`); raise it",
    errno.EMFILE: "no more files can be opened (`ulimit -n`); raise the limit",
    errno.ENFILE: "the system cannot open more files; close some",
}
FAULTS = {*MACHINE_LIMITS, errno.EIO, errno.ESTALE}  # of a disk, or of too many open files
# SQLite does not say which limit stops its writes; a read that fails is no limit.
REFUSED = (
    "the disk refuses it; free some space, raise `ulimit -f`, or see whether the disk is sound"
)
SQLITE_LIMITS = {sqlite3.SQLITE_FULL: MACHINE_LIMITS[errno.ENOSPC]} | dict.fromkeys(
    (
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    ),
    REFUSED,
)
MEMORY_SETTINGS = "algo.num_envs, algo.rollout_length, algo.buffer_size or seeds"


def limit_reached(error: BaseException, large: str = MEMORY_SETTINGS) -> str | None:
    """The limit of the machine that an error or its cause is about, with a remedy; None for others.

    `large` are the settings that use memory.
    """
    known = None
    # TensorStore calls a full disk RESOURCE_EXHAUSTED, as XLA calls the memory of the device.
    of_system = re.search(r"os_error_code='(\d+)'", str(error))
    if of_system is not None and int(of_system[1]) in MACHINE_LIMITS:
        known = MACHINE_LIMITS[int(of_system[1])]
    elif isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        known = f"the memory of the device is used up; lower {large}"
    elif isinstance(error, OSError):
        known = MACHINE_LIMITS.get(error.errno or 0)
        known = f"{error.filename}: {known}" if known and error.filename else known
    elif isinstance(error, sqlite3.OperationalError):
        full = sqlite3.SQLITE_FULL if "disk is full" in str(error) else 0
        known = SQLITE_LIMITS.get(getattr(error, "sqlite_errorcode", full))
    cause = error.__cause__ or error.__context__
    return known or (limit_reached(cause, large) if cause is not None else None)


def is_of_machine(error: BaseException) -> bool:
    """True where an error, or its cause, is of the disk or of open files, whatever is trained; the
    memory of a device is another matter."""
    of_system = re.search(r"os_error_code='(\d+)'", str(error))
    number = int(of_system[1]) if of_system else getattr(error, "errno", None)
    if number in FAULTS or isinstance(error, sqlite3.OperationalError):
        return True
    cause = error.__cause__ or error.__context__
    return cause is not None and is_of_machine(cause)


@contextmanager
def explained(custom_code: dict[str, Any], large: str = MEMORY_SETTINGS) -> Iterator[None]:
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


def ended_how() -> str:
    """The words for what ends a training, while its exception is handled."""
    ctrl_c = isinstance(sys.exception(), KeyboardInterrupt)
    return "training was interrupted" if ctrl_c else "training failed"
