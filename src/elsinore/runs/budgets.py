"""Budgets and periods in units that only a run itself can count: finished episodes, and seconds of
training."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from elsinore.config.experiment import StopConfig
from elsinore.errors import counted
from elsinore.runs.records import EPISODE_COUNT, Row
from elsinore.runs.store.store import LAST, Store
from elsinore.training.schedule import Schedule
from elsinore.validation import period_of

BUDGET = "budget"  # the name of a stop by `stop.episodes` or `stop.seconds`


def seconds_text(seconds: float) -> str:
    return f"{seconds:.4g}" if seconds < 1000 else f"{seconds:,.0f}"


def ending(stopped_by: str) -> str:
    """The reason why a run ended as people read it: a run that has used its budget is finished."""
    return "finished" if stopped_by == BUDGET else stopped_by


class Done(NamedTuple):
    """The extent of a run, in the units of a period."""

    chunks: float
    updates: float
    env_steps: float
    episodes: float
    seconds: float

    @classmethod
    def after(cls, chunks: int, schedule: Schedule, steps: int, spent: tuple[float, float]):
        """After `chunks` chunks, whose updates take `steps` env steps each."""
        updates = schedule.updates_after(chunks)
        return cls(chunks, updates, updates * steps, *spent)

    def passes(self, period: int | str, before: "Done") -> bool:
        """True if a multiple of a period that is text lies between `before` and this."""
        if not isinstance(period, str) or (found := period_of(period, "chunks")) is None:
            return False
        number, unit = found
        name = unit.replace(" ", "_")
        return getattr(self, name) // number > getattr(before, name) // number


class Spent:
    """The episodes that each seed has finished, and the seconds of training, chunk by chunk.

    `now` and `before` are (episodes, seconds) after the newest chunk and after the one before it.
    """

    def __init__(self, store: Store | None = None, until: int = LAST):
        """Of a run that begins, or of one with a store; `until` is the last update whose chunk
        counts."""
        self._finished, self._learning = Counter[int](), set[int]()
        self.seconds, self.now, self.before = 0.0, (0, 0.0), (0, 0.0)
        if store is None:
            return
        chunks = [chunk for chunk in store.chunks() if chunk[0] <= until]
        after = -1  # the newest two chunks are counted alone: a frozen seed has rows before them
        for part in filter(None, (chunks[:-2], chunks[-2:-1], chunks[-1:])):
            rows = store.rows(after, names=[EPISODE_COUNT], agent="", until=part[-1][0])
            self.add(rows, sum(chunk[3] for chunk in part))
            after = part[-1][0]

    def add(self, rows: Iterable[Row], seconds: float) -> None:
        """Count a chunk."""
        self._count(rows)
        self.seconds += seconds
        episodes = self.now[0] if self.episodes is None else self.episodes
        self.before, self.now = self.now, (episodes, self.seconds)

    def add_seconds(self, seconds: float) -> None:
        """Count the time of an evaluation after the newest chunk."""
        self.seconds += seconds
        self.now = self.now[0], self.seconds

    def _count(self, rows: Iterable[Row]) -> None:
        counts = [row for row in rows if row.name == EPISODE_COUNT and not row.agent]
        self._learning = {row.seed for row in counts}  # a seed that is frozen has no row
        for row in counts:
            self._finished[row.seed] += int(row.value)

    @property
    def episodes(self) -> int | None:
        """The fewest that a seed has finished which still learns; None where none does."""
        return min((self._finished[seed] for seed in self._learning), default=None)

    def reaches(self, stop: StopConfig) -> bool:
        """True once every seed that still learns has its episodes, or the time is over."""
        if stop.seconds is not None and self.seconds >= stop.seconds:
            return True
        if stop.episodes is None or not self._finished:  # no chunk is done
            return False
        return self.episodes is None or self.episodes >= stop.episodes

    def share(self, stop: StopConfig) -> float:
        """The spent part of a budget in episodes or seconds, from 0 to 1; 0 without one."""
        parts = [(self.seconds, stop.seconds), (self.episodes or 0, stop.episodes)]
        return max(min(spent / all_of_it, 1.0) if all_of_it else 0.0 for spent, all_of_it in parts)

    def of_all(self, stop: StopConfig) -> str:
        """The spent part of a budget beside the whole of it, in its unit."""
        if stop.seconds is not None:
            return f"{seconds_text(self.seconds)} of {seconds_text(stop.seconds)} s"
        return f"{self.episodes or 0:,} of {stop.episodes:,} episodes"

    def in_words(self, stop: StopConfig) -> str:
        """The spent part of a budget, in the unit of `stop`."""
        if stop.seconds is not None:
            return f"{seconds_text(self.seconds)} s of training"
        return f"{counted(self.episodes or 0, 'episode')} a seed"
