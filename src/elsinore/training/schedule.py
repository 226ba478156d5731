"""Division of a run's updates into chunks and metric rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Division of a run's updates into chunks, each ending in an evaluation, and metric rows.

    A chunk ends after every `updates_per_chunk` updates, at the last update, and at `extra_ends`:
    where the run had its last update before it was lengthened.
    """

    num_updates: int
    updates_per_chunk: int
    updates_per_row: int = 1  # updates whose metrics are added up into one row
    extra_ends: tuple[int, ...] = ()  # ascending, before the last update; none ends a chunk anyway

    @property
    def rows_per_chunk(self) -> int:
        return -(-self.updates_per_chunk // self.updates_per_row)

    def row_ends(self, chunk: int) -> list[int]:
        """Updates done at the end of each of a chunk's rows."""
        start, size = self.updates_after(chunk), self.updates_in(chunk)
        return [
            start + min(i + self.updates_per_row, size)
            for i in range(0, size, self.updates_per_row)
        ]

    @property
    def num_chunks(self) -> int:
        return -(-self.num_updates // self.updates_per_chunk) + len(self.extra_ends)

    def updates_after(self, chunks: int) -> int:
        """Updates done at the end of `chunks` chunks."""
        earlier = 0  # extra ends before that
        for end in self.extra_ends:
            place = end // self.updates_per_chunk + 1 + earlier  # its number among all ends
            if chunks == place:
                return end
            earlier += chunks > place
        return min((chunks - earlier) * self.updates_per_chunk, self.num_updates)

    def chunks_until(self, update: int) -> int:
        """Chunks that are over after `update` updates."""
        if update >= self.num_updates:
            return self.num_chunks
        return update // self.updates_per_chunk + sum(end <= update for end in self.extra_ends)

    def updates_in(self, chunk: int) -> int:
        """Updates of a chunk; the last chunk, and in it the last row, may be shorter."""
        return self.updates_after(chunk + 1) - self.updates_after(chunk)
