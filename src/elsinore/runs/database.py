"""A run's metrics.sqlite opened to be read, at any path and on any disk."""

import sqlite3
from pathlib import Path
from typing import Any

# SQLite's codes where neither a lock nor the memory that readers share can be made
NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def open_read_only(path: Path, timeout: float = 10.0, **options: Any) -> sqlite3.Connection:
    """A connection that cannot write; without locks in a folder that cannot be written.

    Args:
        timeout: seconds to wait for a process that has locked the database.
        options: of `sqlite3.connect`.

    Raises:
        sqlite3.Error: if there is no database that can be read.
    """
    address = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(address, uri=True, timeout=timeout, **options)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
        return db
    except sqlite3.Error as error:
        db.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in NOT_WRITABLE:
            raise
    return _without_locks(path, address, options)


def _without_locks(path: Path, address: str, options: dict[str, Any]) -> sqlite3.Connection:
    """A connection for a file that no process here writes: a copy, or one on a read-only disk."""
    log = path.with_name(f"{path.name}-wal")
    if not log.is_file() or not log.stat().st_size:
        return sqlite3.connect(f"{address}&immutable=1", uri=True, **options)
    # an immutable database is read without its write-ahead log; an exclusive one has it in memory
    db = sqlite3.connect(f"{address}&vfs=unix-none", uri=True, **options)
    db.execute("PRAGMA locking_mode=EXCLUSIVE")
    return db
