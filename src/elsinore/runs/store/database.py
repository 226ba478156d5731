"""A run's metrics.sqlite opened to be read: at any path, on any disk, of any maker.

The schema of a stranger's file is code: a view in place of a table, a computed column, a check, an
index or a trigger can run without end. They are refused, and so is a table with other columns;
functions of the schema may not act, and a reader can set a deadline for what a damaged file may
still do.
"""

import re
import sqlite3
import time
from pathlib import Path
from typing import Any

from elsinore.errors import on_error
from elsinore.runs.store.schema import COLUMNS, STORE_FORMAT

# SQLite's codes where neither a lock nor the memory that readers share can be made; on a full disk
# that memory lacks only where no process has the database open
NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
NO_ROOM = sqlite3.SQLITE_IOERR_SHMSIZE
CHECK = re.compile(r"\bcheck\b", re.IGNORECASE)  # a condition that each row is computed for
COMPUTED = {
    "a trigger": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "an index of an expression": (
        "SELECT made.name FROM sqlite_master AS made, pragma_index_xinfo(made.name) AS part"
        " WHERE made.type = 'index' AND part.cid = -2"
    ),
    "an index of some rows": (
        "SELECT listed.name FROM sqlite_master AS made, pragma_index_list(made.name) AS listed"
        " WHERE made.type = 'table' AND listed.partial"
    ),
}
STORED = 0  # the kind of a column that is neither hidden nor computed
INSTRUCTIONS = 100_000  # of SQLite's machine between two looks at the clock, some milliseconds


def open_read_only(
    path: Path, timeout: float = 10.0, seconds: float = float("inf"), **options: Any
) -> sqlite3.Connection:
    """A connection that cannot write; without locks in a folder that cannot be written.

    Args:
        timeout: seconds to wait for a process that has locked the database.
        seconds: from opening to the interruption of every query.
        options: of `sqlite3.connect`.

    Raises:
        sqlite3.Error: if there is no database that can be read, or as `refuse_foreign_schema`.
    """
    deadline = time.monotonic() + seconds
    db = _connected(path, timeout, options)
    with on_error(db.close):
        # a handler lets an interrupt from the keyboard in, too
        db.set_progress_handler(lambda: time.monotonic() > deadline, INSTRUCTIONS)
        refuse_foreign_schema(db)
    return db


def refuse_foreign_schema(db: sqlite3.Connection) -> None:
    """Refuse a database in which a table of a run is computed rather than stored, or has other
    columns, and one that acts when it is written. One of another format may have other columns.

    Raises:
        sqlite3.DatabaseError: naming the table, the trigger or the index.
    """
    db.execute("PRAGMA trusted_schema=OFF")
    found = list(db.execute("PRAGMA table_list"))  # of the parsed schema, which cannot be feigned
    columns = {}
    for schema, name, kind, *_ in found:
        if schema != "main" or name.lower() not in COLUMNS:
            continue
        if kind != "table":
            raise sqlite3.DatabaseError(f"{name} is a {kind}, and a run has a table")
        listed = list(db.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (name,)))
        if computed := [column for column, hidden in listed if hidden != STORED]:
            raise sqlite3.DatabaseError(f"{name}.{computed[0]} is computed, and a run stores it")
        columns[name] = tuple(column for column, _ in listed)
    for name, made_by in db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
        if CHECK.search(made_by):
            raise sqlite3.DatabaseError(f"{name} has a check, and a table of a run has none")
    for what, query in COMPUTED.items():
        if (acting := db.execute(query).fetchone()) is not None:
            raise sqlite3.DatabaseError(f"{acting[0]} is {what}, and a run has none")
    other = next((name for name, its in columns.items() if its != COLUMNS[name.lower()]), None)
    if other is not None and format_of(db) in (None, STORE_FORMAT):
        its = ", ".join(columns[other])
        raise sqlite3.DatabaseError(f"{other} has other columns than a run: {its}")


def format_of(db: sqlite3.Connection) -> int | None:
    """The number of the store's format; None in a new database."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'info'").fetchone():
        return None
    found = db.execute("SELECT value FROM info WHERE name = 'format'").fetchone()
    return found and found[0]


def _connected(path: Path, timeout: float, options: dict[str, Any]) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(address, uri=True, timeout=timeout, **options)
    try:
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
        return db
    except sqlite3.Error as error:
        db.close()
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF not in NOT_WRITABLE and code != NO_ROOM:
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
