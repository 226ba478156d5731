"""Budgets in units that only a run itself can count: finished episodes, and seconds of training."""

from collections import Counter
from collections.abc import Iterable

from elsinore.config.experiment import StopConfig
from elsinore.runs.store import Row, Store

BUDGET = "budget"  # the name of a stop by `stop.episodes` or `stop.seconds`
COUNT = "episode/count"


class Spent:
    """The episodes that each seed has finished, and the seconds of training, chunk by chunk."""

    def __init__(self, store: Store):
        self._finished, self._learning = Counter[int](), set[int]()
        chunks = store.chunks()
        self.seconds = sum(chunk[3] for chunk in chunks)
        before_last = chunks[-2][0] if len(chunks) > 1 else -1
        self._count(store.rows(until=before_last, names=[COUNT], agent=""))
        self._count(store.rows(after=before_last, names=[COUNT], agent=""))

    def add(self, rows: Iterable[Row], seconds: float) -> None:
        """Count a chunk."""
        self._count(rows)
        self.seconds += seconds

    def _count(self, rows: Iterable[Row]) -> None:
        counts = [row for row in rows if row.name == COUNT and not row.agent]
        self._learning = {row.seed for row in counts}  # a seed that is frozen has no row
        for row in counts:
            self._finished[row.seed] += int(row.value)

    @property
    def episodes(self) -> int | None:
        """The fewest that a seed has finished which still learns; None where none does."""
        return min((self._finished[seed] for seed in self._learning), default=None)

    def reaches(self, stop: StopConfig) -> bool:
        """True once every seed that still learns has its episodes, or the time is over."""
        episodes = self.episodes
        return (stop.seconds is not None and self.seconds >= stop.seconds) or (
            stop.episodes is not None and (episodes is None or episodes >= stop.episodes)
        )
