"""The seeds whose mean a sink shows, from update to update."""

from collections.abc import Sequence

from elsinore.runs.members import best_in, members_in
from elsinore.runs.records import Row
from elsinore.runs.store import Store


class CountedSeeds:
    """The seeds over which means are shown, from update to update: of a population those of its
    best member by the newest evaluations, which are read once."""

    def __init__(self, store: Store):
        self._store, self._update = store, -1
        self._newest: dict[int, Row] = {}  # evaluations, by seed

    def at(self, update: int, seeds: Sequence[int]) -> Sequence[int]:
        """Those of `seeds` that count after this update."""
        info = self._store.info()
        if len(members_in(info)) < 2:
            return seeds
        if update < self._update:  # what could not be sent is read again
            self._update, self._newest = -1, {}
        rows = self._store.rows(self._update, names=["eval/return"], agent="", until=update)
        self._newest |= {row.seed: row for row in rows}
        self._update = update
        return best_in(info, self._newest.values())
