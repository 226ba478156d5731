"""A report as data: sections of text, tables and figures, to be shown in more than one way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from elsinore.host.statistics import Estimate


class Table(NamedTuple):
    title: str  # "" for none
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    name: str  # of the figure, in `figures.FIGURES`
    alt: str  # what it shows, for who cannot see it


@dataclass(frozen=True)
class Section:
    title: str
    text: Sequence[str] = ()  # paragraphs
    points: Sequence[str] = ()  # a list
    picture: Picture | None = None
    tables: Sequence[Table] = ()
    details: Sequence[tuple[str, str]] = field(default=())  # (title, text as it is), folded


@dataclass(frozen=True)
class Document:
    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def pictures(self) -> list[str]:
        return [section.picture.name for section in self.sections if section.picture]


def number(x: float | None) -> str:
    """With as many digits as a return deserves; a dash where there is none."""
    if x is None or x != x:
        return "–"
    digits = 1 if abs(x) >= 100 else 2 if abs(x) >= 1 else 3
    return f"{x:,.{digits}f}"


def with_interval(found: Estimate) -> str:
    """`12.3 [11.9, 12.8]`"""
    if found.ci95 is None:
        return number(found.value)
    return f"{number(found.value)} [{number(found.ci95[0])}, {number(found.ci95[1])}]"


def probability(found: Estimate) -> str:
    if found.ci95 is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.ci95[0]:.2f}, {found.ci95[1]:.2f}]"


def p_text(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def whole(x: float | None) -> str:
    return "–" if x is None else f"{x:,.0f}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`"""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
