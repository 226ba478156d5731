"""The lock of a run's folder, which one process at a time holds while it trains."""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import Any

from elsinore.errors import ConfigError, shown
from elsinore.runs.durable import on_network
from elsinore.runs.plain_files import is_taken
from elsinore.runs.shipped import refuse_shipped
from elsinore.runs.store import StoreBehind

LOOKS = (0.05, 0.05, 0.0)  # seconds after each try to lock a run: another process may look at it
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


class ReadOnlyRun(ConfigError):
    """A run in a folder that cannot be written, such as one of another user's."""


class RunInUse(ConfigError):
    """A run that another process trains."""


class FolderGone(StoreBehind):
    """A run whose folder was moved or removed while it trained."""


class RunLock:
    """A folder and its lock."""

    def __init__(self, path: Path):
        self.path = path
        self.lock_file = path / ".lock"
        self._lock: Any = None
        self._locked: os.stat_result | None = None  # the folder whose lock this process has

    def lock(self) -> None:
        """Lock the run until `unlock` or the end of the process.

        Raises:
            ReadOnlyRun: if the run's folder cannot be written.
            RunInUse: if another process trains this run.
            ConfigError: if something else is in the place of its lock file, or the run came with
                the package.
        """
        refuse_shipped(self.path, "trained or resumed")
        if is_taken(self.lock_file):
            raise ConfigError(
                f"{self.lock_file} is no file, but a link, a pipe or a folder; remove it."
            )
        try:
            self._lock = self.lock_file.open("a", encoding="utf-8")
        except OSError as error:
            if error.errno not in NOT_WRITABLE:
                raise
            raise ReadOnlyRun(
                f"{shown(self.path)} cannot be written: {os.strerror(error.errno)}; copy the folder"
                " to where you may write, and use the copy."
            ) from error
        if not self._takes_lock():
            self.unlock()
            raise RunInUse(
                f"{shown(self.path)} is being trained by another process; wait for it, or stop it."
            )
        self._locked = self.path.stat()

    def _takes_lock(self) -> bool:
        """Take the lock of the open file; False if another process keeps it longer than a look
        (`is_locked`)."""
        for wait in LOOKS:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                time.sleep(wait)
        return False

    def is_locked(self) -> bool:
        """True while a process trains this run; False where that cannot be found out."""
        if is_taken(self.lock_file):  # nothing that a process could hold
            return False
        try:
            with self.lock_file.open("rb") as lock:
                # a shared lock: an exclusive one of a file that is only read is refused by NFS
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # there is no lock, or it cannot be read
            return False
        return False

    def refuse_if_gone(self) -> None:
        """Refuse to write into a folder that is no longer the one that this process locked.

        Raises:
            FolderGone: if it was moved or removed, though another may have its name by now.
        """
        if self._locked is None:
            return
        try:
            there = self.path.stat()
        except FileNotFoundError:
            same = False
        except OSError:  # a disk that is away for now
            return
        else:  # folders have changing numbers in some file systems of other machines
            same = os.path.samestat(there, self._locked) or on_network(self.path)
        if not same:
            raise FolderGone(
                f"{shown(self.path)} was moved or removed while the run trained, which ends here;"
                " resume it from where the folder is now, or begin it again."
            )

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = self._locked = None
