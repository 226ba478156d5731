"""Common form of all log formats: one record a request, or the reason why a line is none."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

SHOWN = 5  # line numbers kept for each reason


class Record(NamedTuple):
    """One request. Fields that a format lacks have their defaults."""

    obj: object  # any hashable id
    size: int | None = None  # bytes; None: unknown (a web server's answer without a body)
    ts: float | None = None  # seconds
    op: int = 0  # 0 read, 1 other
    client: object | None = None
    cls: object | None = None


class MalformedRecord(Exception):
    """A line that is no record; its text is the reason, the same for all lines of the kind."""


@dataclass
class SkippedLines:
    """Counts of skipped lines by reason, with the first line numbers."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[int]] = field(default_factory=dict)

    def add(self, reason: str, line: int) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        lines = self.first.setdefault(reason, [])
        if len(lines) < SHOWN:
            lines.append(line)

    def lines(self) -> Iterator[str]:
        """One line of text for each reason, the commonest first."""
        for reason, count in sorted(self.counts.items(), key=lambda item: -item[1]):
            numbers = ", ".join(map(str, self.first[reason]))
            yield (
                f"{count} {reason} (lines"
                f" {numbers}{', ...' if count > len(self.first[reason]) else ''})"
            )
