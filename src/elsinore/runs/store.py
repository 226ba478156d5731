"""metrics.sqlite: all metrics and events of a run. Every other sink is filled from it.

    metrics(update_, seed, agent, name, value)   deterministic: equal in a killed and resumed run
    chunks(update_, env_steps, finished_at, seconds, steps_per_second)   times of each chunk; 0 if
                                                                         it was restored
    events(at, update_, kind, text)              messages for people
    episodes(update_, seed, agent, first, until, name, value)   a view: metrics of the episodes
                                                                first to until - 1

`update_` is the number of updates done; one update is `info.steps_per_update` env steps. NaN is
NULL. A written chunk is on the disk: a power cut does not take it back.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from elsinore.config.parse import ConfigError
from elsinore.errors import RunError

SCHEMA = """
CREATE TABLE IF NOT EXISTS metrics (
    update_ INTEGER NOT NULL, seed INTEGER NOT NULL, agent TEXT NOT NULL, name TEXT NOT NULL,
    value REAL,
    PRIMARY KEY (update_, seed, agent, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    update_ INTEGER PRIMARY KEY, env_steps INTEGER, finished_at REAL, seconds REAL,
    steps_per_second REAL);
CREATE TABLE IF NOT EXISTS events (at REAL, update_ INTEGER, kind TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS info (name TEXT PRIMARY KEY, value);
CREATE VIEW IF NOT EXISTS episodes AS
    WITH counted AS (
        SELECT update_, seed, agent, value AS num,
            SUM(value) OVER (PARTITION BY seed, agent ORDER BY update_) AS until
        FROM metrics WHERE name = 'episode/count')
    SELECT update_, seed, agent, CAST(until - num AS INTEGER) AS first,
        CAST(until AS INTEGER) AS until, name, value
    FROM metrics JOIN counted USING (update_, seed, agent)
    WHERE name IN ('episode/return', 'episode/length');
"""
STORE_FORMAT = 1


class Row(NamedTuple):
    """One number of one seed, after `update` updates."""

    update: int
    seed: int
    agent: str  # "" for metrics of the seed's learner as a whole
    name: str
    value: float


class RunEvent(NamedTuple):
    """A message for people, after `update` updates."""

    update: int
    kind: str
    text: str


class ChunkRecord(NamedTuple):
    """The metrics, times and events of one chunk."""

    update: int  # updates done by the seed that did most
    env_steps: int  # of that seed
    rows: list[Row]
    finished_at: float  # seconds since the epoch
    seconds: float
    steps_per_second: float  # of all seeds together
    events: tuple[RunEvent, ...] = ()


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
        else:
            why = f"cannot be used ({error}); restore it with `elsinore repair {database.parent}`"
        raise BrokenStore(f"{database} {why}.") from error


class Store:
    """Reads and writes one database; only the thread that opens it may use it.

    Raises:
        BrokenStore: for a format that this elsinore does not know; the file is not touched.
    """

    def __init__(self, path: Path, read_only: bool = False):
        at = f"file:{path}?mode=ro" if read_only else path
        self._db = sqlite3.connect(at, uri=read_only, timeout=10)
        try:
            self._prepare(path, read_only)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path, read_only: bool) -> None:
        found = self.format()
        if found not in (None, STORE_FORMAT):
            raise BrokenStore(
                f"{path} has format {found}, and this elsinore reads {STORE_FORMAT}; use the"
                " elsinore that made it."
            )
        if read_only:
            return
        self._db.execute("PRAGMA journal_mode=WAL")
        # each commit waits for the disk, so that no checkpoint outlives the rows before it
        self._db.execute("PRAGMA synchronous=FULL")
        with self._db:
            self._db.executescript(SCHEMA)
            if found is None:
                self._db.execute("INSERT INTO info VALUES ('format', ?)", (STORE_FORMAT,))

    def format(self) -> int | None:
        """The number of the format; None in a new database."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'info'").fetchone():
            return None
        found = self._db.execute("SELECT value FROM info WHERE name = 'format'").fetchone()
        return found and found[0]

    def check(self) -> None:
        """Read the whole database.

        Raises:
            sqlite3.DatabaseError: if a page of it is damaged.
        """
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(found.split()))

    def covered(self) -> int:
        """The update up to which every chunk is there; 0 without the first."""
        info, ends = self.info(), {end for (end,) in self._db.execute("SELECT update_ FROM chunks")}
        size = int(info.get("updates_per_chunk") or min(ends, default=1))
        last, covered = int(info.get("num_updates") or max(ends, default=0)), 0
        while covered < last and min(covered + size, last) in ends:
            covered = min(covered + size, last)
        return covered

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
            self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?)", clock)
            events = [(record.finished_at, *event) for event in record.events]
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", events)

    def add_event(self, update: int, kind: str, text: str) -> None:
        with self._db:
            self._db.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?)", (time.time(), update, kind, text)
            )

    def forget_after(self, update: int) -> None:
        """Delete the rows that a resumed run will compute again."""
        with self._db:
            for table in ("metrics", "chunks", "events"):
                self._db.execute(f"DELETE FROM {table} WHERE update_ > ?", (update,))

    def rows(
        self, after: int = -1, names: Iterable[str] = (), agent: str | None = None
    ) -> list[Row]:
        """Rows of updates later than `after`, in order.

        Args:
            names: of the metrics; none given: all.
            agent: None: all; "": metrics of the learner as a whole.
        """
        names, agents = list(names), [] if agent is None else [agent]
        only = f" AND name IN ({','.join('?' * len(names))})" if names else ""
        only += " AND agent = ?" if agents else ""
        query = f"SELECT * FROM metrics WHERE update_ > ?{only} ORDER BY update_, seed, agent, name"
        found = self._db.execute(query, (after, *names, *agents))
        return [
            Row(u, s, a, n, float("nan") if value is None else value) for u, s, a, n, value in found
        ]

    def episodes(
        self,
        name: str,
        agent: str = "",
        within: tuple[int, int] | None = None,
        seed: int | None = None,
    ) -> list[tuple]:
        """(update, seed, agent, first, until, value) of the rows that overlap the episodes
        `within`, in order."""
        first, until = within or (0, 2**62)
        query = (
            "SELECT update_, seed, agent, first, until, value FROM episodes WHERE name = ? AND"
            " agent = ?"
        )
        query += " AND first < ? AND until > ?" + (" AND seed = ?" if seed is not None else "")
        values = (name, agent, until, first, *(() if seed is None else (seed,)))
        return list(self._db.execute(query + " ORDER BY seed, update_", values))

    def seeds_and_agents(self) -> tuple[list[int], list[str]]:
        """The seeds and the agents that have metrics."""
        first = "WHERE update_ = (SELECT MIN(update_) FROM metrics)"  # which has rows of all
        seeds = self._db.execute(f"SELECT DISTINCT seed FROM metrics {first} ORDER BY seed")
        agents = self._db.execute(f"SELECT DISTINCT agent FROM metrics {first}")
        return [seed for (seed,) in seeds], sorted(
            (agent for (agent,) in agents), key=lambda name: (len(name), name)
        )

    def chunks(self) -> list[tuple]:
        """(update, env_steps, finished_at, seconds, steps_per_second) of each chunk, in order."""
        return list(self._db.execute("SELECT * FROM chunks ORDER BY update_"))

    def copy_to(self, other: "Store") -> None:
        """Make another database equal to this one."""
        self._db.backup(other._db)

    def info(self) -> dict:
        return dict(self._db.execute("SELECT name, value FROM info"))

    def close(self) -> None:
        self._db.close()
