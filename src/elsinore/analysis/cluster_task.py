"""One call of a function on a cluster, and the wait for a run that a lost worker still holds."""

import time
from pathlib import Path
from typing import NamedTuple

from elsinore.runs.run_dir import RunDir

LOCK_WAIT = 60.0  # seconds for a lost worker's process to let go of its run


class Task(NamedTuple):
    """One call of a function of `cluster_worker.FUNCTIONS`, as `function(report, *args)`.

    It returns None if a signal stopped it, and can be done again.
    """

    name: str
    function: str
    args: tuple  # plain data
    env_steps: int  # of its run
    replicas: int


def wait_until_free(folder: Path, seconds: float = LOCK_WAIT) -> None:
    """Wait until no process holds the lock of a run, as that of a lost worker may for a moment."""
    until = time.monotonic() + seconds
    while folder.is_dir() and RunDir(folder).is_locked() and time.monotonic() < until:
        time.sleep(0.2)
