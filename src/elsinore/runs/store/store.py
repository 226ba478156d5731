"""metrics.sqlite: all metrics and events of a run. Every other sink is filled from it.

Its tables are those of `store_schema.py`. `update_` is the number of updates done; one update is
`info.steps_per_update` env steps. NaN is NULL. A written chunk is on the disk: a power cut does not
take it back.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from elsinore.errors import ConfigError, RunError, on_error, one_line, quoted
from elsinore.runs.failures import limit_reached
from elsinore.runs.files.durable import on_network
from elsinore.runs.files.natural import natural
from elsinore.runs.files.plain_files import is_no_file
from elsinore.runs.records import EPISODE_COUNT, ChunkRecord, Row
from elsinore.runs.store.database import format_of, open_read_only, refuse_foreign_schema
from elsinore.runs.store.facts import schedule_in, unusable_fact
from elsinore.runs.store.schema import SCHEMA, STORE_FORMAT

# rows of a metric, with the episodes that had ended since the last row and until this one
BY_EPISODE = """
    WITH counted AS (
        SELECT update_, seed, agent, value AS num,
            SUM(value) OVER (PARTITION BY seed, agent ORDER BY update_) AS ended
        FROM metrics WHERE name = 'episode/count'),
    ranges AS (
        SELECT update_, seed, agent, CAST(ended - num AS INTEGER) AS first,
            CAST(ended AS INTEGER) AS until, name, value
        FROM metrics JOIN counted USING (update_, seed, agent) WHERE name = ?)
    SELECT update_, seed, agent, first, until, value FROM ranges
    WHERE agent = ? AND first < ? AND until > ?
"""
BESIDE_DATABASE = ("", "-wal", "-shm", "-journal")  # files that SQLite opens
LAST = 2**62  # later than every update
CHUNKS_A_PAGE = 500
NEXT_ENDS = "SELECT update_ FROM chunks WHERE update_ > ? ORDER BY update_ LIMIT ?"
# Clocks may step back, and the rowids of deleted events would be given again: readers of what is
# new need a number that only grows.
NEXT_EVENT = (
    "(SELECT 1 + max(ifnull((SELECT max(rowid) FROM events), 0),"
    " ifnull((SELECT value FROM info WHERE name = 'last_event'), 0)))"
)
ADD_EVENT = f"INSERT INTO events (rowid, at, update_, kind, text) VALUES ({NEXT_EVENT}, ?, ?, ?, ?)"  # noqa: S608
ACTION = "action"  # the kind of an event that a resumed run repeats (`actions.py`)


class BrokenStore(ConfigError):
    """A metrics.sqlite that cannot be used: damaged, locked, or of another format."""


class StoreBehind(RunError):
    """A run that ended before metrics.sqlite could hold all of its chunks."""


@contextlib.contextmanager
def refused_if_broken(database: Path) -> Iterator[None]:
    """Turn an error of SQLite into a message with a remedy.

    Raises:
        BrokenStore: if the database is damaged, or locked by another process.
    """
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            why = "is locked by another process; end that process, then try again"
        elif (limit := limit_reached(error)) is not None:
            why = f"cannot be written: {limit}"
        else:
            repair = f"elsinore repair {quoted(database.parent)}"
            why = f"cannot be used ({error}); restore it with `{repair}`"
        raise BrokenStore(f"{database} {why}.") from error


class Store:
    """Reads and writes one database; only the thread that opens it may use it.

    Raises:
        BrokenStore: for a format that this elsinore does not know; the file is not touched.
        sqlite3.Error: if it is damaged, as `refuse_foreign_schema`, or where it or a file that
            SQLite keeps beside it is no file.
    """

    def __init__(self, path: Path, read_only: bool = False):
        for suffix in BESIDE_DATABASE:
            if is_no_file(each := path.with_name(f"{path.name}{suffix}")):
                raise sqlite3.OperationalError(f"{each.name} is no file")
        self._db = open_read_only(path) if read_only else sqlite3.connect(path, timeout=10)
        with on_error(self._db.close):
            self._prepare(path, read_only)

    def _prepare(self, path: Path, read_only: bool) -> None:
        if not read_only:
            refuse_foreign_schema(self._db)
        found = self.format()
        if found not in (None, STORE_FORMAT):
            raise BrokenStore(
                f"{path} has format {found}, and this elsinore reads {STORE_FORMAT}; use the"
                " elsinore that made it."
            )
        if read_only:
            return
        # A write-ahead log needs memory that all readers share: over a network it is damaged.
        journal = "TRUNCATE" if on_network(path) else "WAL"
        self._db.execute(f"PRAGMA journal_mode={journal}")
        # each commit waits for the disk, so that no checkpoint outlives the rows before it
        self._db.execute("PRAGMA synchronous=FULL")
        with self._db:
            self._db.executescript(SCHEMA)
            if found is None:
                self._db.execute("INSERT INTO info VALUES ('format', ?)", (STORE_FORMAT,))

    def format(self) -> int | None:
        """The number of the format; None in a new database."""
        return format_of(self._db)

    def check(self) -> None:
        """Read the whole database.

        Raises:
            sqlite3.DatabaseError: if a page of it is damaged.
        """
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(one_line(found))

    def covered(self) -> int:
        """The update up to which every chunk is there; 0 without the first."""
        info, ends = self.info(), {end for (end,) in self._db.execute("SELECT update_ FROM chunks")}
        missing = {"updates_per_chunk": min(ends, default=1), "num_updates": max(ends, default=0)}
        schedule, chunks = schedule_in(missing | {k: v for k, v in info.items() if v}), 0
        while chunks < schedule.num_chunks and schedule.updates_after(chunks + 1) in ends:
            chunks += 1
        return schedule.updates_after(chunks)

    def describe(self, **facts) -> None:
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO info VALUES (?, ?)", list(facts.items()))

    def write(self, record: ChunkRecord) -> None:
        """Write a chunk in one transaction, so that a killed run leaves only whole chunks."""
        clock = (
            record.update,
            record.env_steps,
            record.finished_at,
            record.seconds,
            record.steps_per_second,
        )
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?)", record.rows
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?, ?, ?)", record.finished
            )
            self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)", clock)
            self._db.execute(
                "DELETE FROM events WHERE update_ = ? AND kind = ?", (record.update, ACTION)
            )  # those of a chunk that is computed again are in its record
            self._db.executemany(
                "DELETE FROM events WHERE kind = ? AND update_ <= ? AND update_ >"
                " (SELECT ifnull(max(update_), 0) FROM chunks WHERE update_ < ?)",
                [(event.kind, record.update, record.update) for event in record.events],
            )
            events = [(record.finished_at, *event) for event in record.events]
            self._db.executemany(ADD_EVENT, events)
            if record.asked:
                self._db.execute(
                    "INSERT INTO info VALUES ('asked_until', ?) ON CONFLICT(name) DO UPDATE SET"
                    " value = MAX(value, excluded.value)",
                    (record.update,),
                )

    def add_event(self, update: int, kind: str, text: str) -> None:
        with self._db:
            self._db.execute(ADD_EVENT, (time.time(), update, kind, text))

    def newest_event(self, kind: str, update: int) -> str:
        """The text of the newest event of that kind, if it is of that update; else empty."""
        query = "SELECT update_, text FROM events WHERE kind = ? ORDER BY rowid DESC LIMIT 1"
        found = self._db.execute(query, (kind,)).fetchone()
        return found[1] if found and found[0] == update else ""

    def forget_after(self, update: int, actions: bool = False) -> None:
        """Delete the rows that a resumed run will compute again; actions stay, to be repeated,
        unless they are to be decided again, too."""
        with self._db:
            self._db.execute(f"REPLACE INTO info SELECT 'last_event', {NEXT_EVENT} - 1")
            self._db.execute("DELETE FROM metrics WHERE update_ > ?", (update,))
            self._db.execute("DELETE FROM chunks WHERE update_ > ?", (update,))
            self._db.execute("DELETE FROM finished WHERE update_ > ?", (update,))
            kept = "" if actions else ACTION
            self._db.execute("DELETE FROM events WHERE update_ > ? AND kind != ?", (update, kept))
            if actions:
                seen = "UPDATE info SET value = MIN(value, ?) WHERE name = 'asked_until'"
                self._db.execute(seen, (update,))

    def actions(self) -> list[tuple[int, str]]:
        """(update, JSON text) of every action, in order."""
        query = "SELECT update_, text FROM events WHERE kind = ? ORDER BY update_, rowid"
        return list(self._db.execute(query, (ACTION,)))

    def forget_action(self, text: str) -> None:
        """Delete every action of that JSON text, which a resumed run then repeats no more."""
        with self._db:
            self._db.execute("DELETE FROM events WHERE kind = ? AND text = ?", (ACTION, text))

    def log(self, rows: list[Row], action: str) -> None:
        """Add rows to the newest chunk, with the action that a resumed run repeats."""
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?)", rows)
            event = (time.time(), rows[0].update, ACTION, action)
            self._db.execute(ADD_EVENT, event)

    def rows(
        self,
        after: int = -1,
        names: Iterable[str] = (),
        agent: str | None = None,
        until: int = LAST,
    ) -> list[Row]:
        """Rows of updates later than `after`, up to `until`, in order.

        Args:
            names: of the metrics; none given: all.
            agent: None: all; "": metrics of the learner as a whole.
        """
        names, agents = list(names), [] if agent is None else [agent]
        only = f" AND name IN ({','.join('?' * len(names))})" if names else ""
        only += " AND agent = ?" if agents else ""
        # `only` holds placeholders, no values
        query = f"SELECT * FROM metrics WHERE update_ > ? AND update_ <= ?{only}"  # noqa: S608
        query += " ORDER BY update_, seed, agent, name"
        found = self._db.execute(query, (after, until, *names, *agents))
        return [_row_of(*each) for each in found]

    def evaluations(self, after: int = -1, until: int = LAST) -> list[Row]:
        """Rows of all metrics of evaluations, as `rows` gives them."""
        query = (
            "SELECT * FROM metrics WHERE update_ > ? AND update_ <= ? AND name GLOB 'eval/*'"
            " ORDER BY update_, seed, agent, name"
        )
        return [_row_of(*each) for each in self._db.execute(query, (after, until))]

    def episodes(
        self,
        name: str,
        agent: str = "",
        within: tuple[int, int] | None = None,
        seed: int | None = None,
    ) -> list[tuple]:
        """(update, seed, agent, first, until, value) of the rows that overlap the episodes
        `within`, in order."""
        first, until = within or (-1, 2**62)  # rows before the first episode's end, too
        query = BY_EPISODE + (" AND seed = ?" if seed is not None else "")
        values = (name, agent, until, first, *(() if seed is None else (seed,)))
        return list(self._db.execute(query + " ORDER BY seed, update_", values))

    def seeds_and_agents(self) -> tuple[list[int], list[str]]:
        """The seeds and the agents that have metrics."""
        found = list(  # the first update that ends a row has metrics of all
            self._db.execute(
                "SELECT DISTINCT seed, agent FROM metrics WHERE update_ ="
                " (SELECT update_ FROM metrics WHERE name = ? ORDER BY update_ LIMIT 1)",
                (EPISODE_COUNT,),
            )
        )
        agents = {agent for _, agent in found}
        return sorted({seed for seed, _ in found}), sorted(agents, key=lambda x: (len(x), x))

    def has_metric(self, name: str) -> bool:
        """True if any row is of this metric, which may be logged now and then only."""
        found = self._db.execute("SELECT EXISTS(SELECT 1 FROM metrics WHERE name = ?)", (name,))
        return bool(found.fetchone()[0])

    def names(self) -> list[str]:
        """The metrics of the newest update, at which a chunk ended."""
        newest = "SELECT MAX(update_) FROM metrics"
        found = self._db.execute(f"SELECT DISTINCT name FROM metrics WHERE update_ = ({newest})")  # noqa: S608
        return sorted((name for (name,) in found), key=natural)

    def chunks(self, after: int = -1) -> list[tuple]:
        """(update, env_steps, finished_at, seconds, steps_per_second) of each chunk that ends later
        than the update `after`, in order."""
        query = "SELECT * FROM chunks WHERE update_ > ? ORDER BY update_"
        found = list(self._db.execute(query, (after,)))
        if odd := [row for row in found if not all(isinstance(x, int | float) for x in row)]:
            raise sqlite3.DatabaseError(f"chunks has a row of other types, at update {odd[0][0]!r}")
        return found

    def pages(self, after: int) -> Iterator[list[Row]]:
        """Rows of updates later than `after`, some chunks at a time, so that a long run's history
        is never in memory at once."""
        while ends := list(self._db.execute(NEXT_ENDS, (after, CHUNKS_A_PAGE))):
            yield self.rows(after, until=ends[-1][0])
            after = ends[-1][0]

    def copy_to(self, other: "Store") -> None:
        """Make another database equal to this one."""
        self._db.backup(other._db)

    def info(self) -> dict:
        """The facts of the run.

        Raises:
            sqlite3.DatabaseError: naming one that cannot be used.
        """
        found = dict(self._db.execute("SELECT name, value FROM info"))
        if (name := unusable_fact(found)) is not None:
            raise sqlite3.DatabaseError(f"info.{name}={found[name]!r} is no fact of a run")
        return found

    def steps_per_update(self) -> int:
        """Env steps of an update.

        Raises:
            sqlite3.DatabaseError: if it is not known.
        """
        if (steps := self.info().get("steps_per_update")) is None:
            raise sqlite3.DatabaseError("info has no steps_per_update")
        return steps

    def close(self) -> None:
        self._db.close()


def _row_of(update: Any, seed: Any, agent: Any, name: Any, value: Any) -> Row:
    """A row of the table `metrics`, whose columns SQLite lets hold anything.

    Raises:
        sqlite3.DatabaseError: for one that no run has.
    """
    value = float("nan") if value is None else value
    texts = isinstance(agent, str) and isinstance(name, str)
    if not (type(update) is type(seed) is int and texts and isinstance(value, float)):
        raise sqlite3.DatabaseError(f"metrics has a row of other types, at update {update!r}")
    return Row(update, seed, agent, name, value)


@contextlib.contextmanager
def reading(database: Path) -> Iterator[Store]:
    """A run's store, to be read.

    Raises:
        BrokenStore: if it cannot be used.
    """
    with (
        refused_if_broken(database),
        contextlib.closing(Store(database, read_only=True)) as store,
    ):
        yield store
