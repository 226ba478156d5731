"""The lock of a run's folder, which one process at a time holds while it trains."""

import errno
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from elsinore.errors import ConfigError, shown
from elsinore.runs.files.durable import on_network
from elsinore.runs.files.plain_files import is_taken
from elsinore.runs.shipped import refuse_shipped
from elsinore.runs.store.store import StoreBehind

LOOKS = (0.05, 0.05, 0.0)  # seconds after each try to lock a run: another process may look at it
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)


_held = WeakSet[Any]()  # the open lock files of this process


def _close_in_child() -> None:
    """A forked process shares its parent's open files, and so the locks, and may outlive it."""
    for lock in _held:
        lock.close()


os.register_at_fork(after_in_child=_close_in_child)


class ReadOnlyRun(ConfigError):
    """A run in a folder that cannot be written, such as one of another user's."""


class RunInUse(ConfigError):
    """A run that another process trains."""


class FolderGone(StoreBehind):
    """A run whose folder was moved or removed while it trained."""


class Thread(Protocol):
    """Work that ends by itself."""

    def join(self) -> None: ...


class RunLock:
    """A folder and its lock."""

    def __init__(self, path: Path):
        self.path = path
        self.lock_file = path / ".lock"
        self._lock: Any = None
        self._locked: os.stat_result | None = None  # the folder
        self._token: str | None = None  # in the lock file, where its number does not identify it

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
        _held.add(self._lock)
        if not self._takes_lock():
            self.unlock()
            raise RunInUse(
                f"{shown(self.path)} is being trained by another process; wait for it, or stop it."
            )
        if on_network(self.path):
            self._write_token()
        if not self._is_there():  # the process that had the lock moved or removed the folder
            self.unlock()
            raise ConfigError(f"{shown(self.path)} was just moved or removed; use its new place.")
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

    def _write_token(self) -> None:
        """Mark the lock file as this process's; a full disk leaves it empty."""
        self._token, token = "", uuid.uuid4().hex
        with suppress(OSError):
            os.ftruncate(self._lock.fileno(), 0)
            os.write(self._lock.fileno(), token.encode())
            self._token = token

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
        if self.is_gone():
            raise FolderGone(
                f"{shown(self.path)} was moved or removed while the run trained, which ends here;"
                " resume it from where the folder is now, or begin it again."
            )

    def is_gone(self) -> bool:
        """True if the folder was moved or removed since this process locked it."""
        return self._lock is not None and not self._is_there()

    def _is_there(self) -> bool:
        """True while the folder of this path has the lock file that this process holds. No other
        file gets its number meanwhile; in some file systems of other machines numbers change, and
        the file's text tells."""
        try:
            if self._token is not None:
                return self.lock_file.read_text(encoding="utf-8") == self._token
            return os.path.samestat(self.lock_file.stat(), os.fstat(self._lock.fileno()))
        except FileNotFoundError:  # someone may have removed the lock file alone
            return self._locked is not None and _is_at(self.path, self._locked)
        except (OSError, ValueError):  # a disk that is away for now, or a text of another's
            return True

    def unlock(self, after: Sequence[Thread] = ()) -> None:
        """Let other processes, and this one, lock the run; `after` are threads that use its folder,
        and keep it locked until they end."""
        lock, self._lock, self._locked, self._token = self._lock, None, None, None
        if lock is None:
            return

        def wait() -> None:
            for thread in after:
                thread.join()
            lock.close()

        if not after:
            return wait()
        threading.Thread(target=wait, name=f"elsinore-{self.path.name}", daemon=True).start()


def _is_at(path: Path, found: os.stat_result) -> bool:
    """True while a path is that of this file or folder."""
    try:
        return os.path.samestat(path.stat(), found)
    except OSError:
        return False
