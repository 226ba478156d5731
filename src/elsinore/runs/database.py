"""A run's metrics.sqlite opened to be read: at any path, on any disk, of any maker.

The schema of a stranger's file is code: a view in place of a table, a computed column or a trigger
can run without end. They are refused, and so is a table with other columns; functions of the schema
may not act, and a reader can set a deadline for what a damaged file may still do.
"""

import sqlite3
import time
from pathlib import Path
from typing import Any

# SQLite's codes where neither a lock nor the memory that readers share can be made
NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
COLUMNS = {
    "metrics": ("update_", "seed", "agent", "name", "value"),
    "chunks": ("update_", "env_steps", "finished_at", "seconds", "steps_per_second"),
    "events": ("at", "update_", "kind", "text"),
    "info": ("name", "value"),
    "finished": ("update_", "seed", "position", "agent", "return_", "length"),
}
STORED = 0  # the kind of a column that is neither hidden nor computed
INSTRUCTIONS = 100_000  # of SQLite's machine between two looks at the clock, some milliseconds


def open_read_only(
    path: Path, timeout: float = 10.0, seconds: float = float("inf"), **options: Any
) -> sqlite3.Connection:
    """A connection that cannot write; without locks in a folder that cannot be written.

    Args:
        timeout: seconds to wait for a process that has locked the database.
        seconds: after so many, every query is interrupted.
        options: of `sqlite3.connect`.

    Raises:
        sqlite3.Error: if there is no database that can be read, or as `refuse_foreign_schema`.
    """
    deadline = time.monotonic() + seconds
    db = _connected(path, timeout, options)
    try:
        # a handler lets an interrupt from the keyboard in, too
        db.set_progress_handler(lambda: time.monotonic() > deadline, INSTRUCTIONS)
        refuse_foreign_schema(db)
    except BaseException:
        db.close()
        raise
    return db


def refuse_foreign_schema(db: sqlite3.Connection) -> None:
    """Refuse a database in which a table of a run is computed rather than stored, or has other
    columns, and one that acts when it is written.

    Raises:
        sqlite3.DatabaseError: naming the table or the trigger.
    """
    db.execute("PRAGMA trusted_schema=OFF")
    found = list(db.execute("PRAGMA table_list"))  # of the parsed schema, which cannot be feigned
    for schema, name, kind, *_ in found:
        if schema != "main" or name.lower() not in COLUMNS:
            continue
        if kind != "table":
            raise sqlite3.DatabaseError(f"{name} is a {kind}, and a run has a table")
        columns = list(db.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (name,)))
        if computed := [column for column, hidden in columns if hidden != STORED]:
            raise sqlite3.DatabaseError(f"{name}.{computed[0]} is computed, and a run stores it")
        if (names := tuple(column for column, _ in columns)) != COLUMNS[name.lower()]:
            raise sqlite3.DatabaseError(f"{name} has other columns than a run: {', '.join(names)}")
    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if (trigger := db.execute(triggers).fetchone()) is not None:
        raise sqlite3.DatabaseError(f"{trigger[0]} is a trigger, and a run has none")


def _connected(path: Path, timeout: float, options: dict[str, Any]) -> sqlite3.Connection:
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
