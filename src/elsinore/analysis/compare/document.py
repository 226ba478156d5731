"""A report as data: sections of text, tables and figures, for HTML and Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from elsinore.runs.statistics import Estimate


class ReportTable(NamedTuple):
    title: str  # "" for no title
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Picture(NamedTuple):
    name: str  # a key of `write.FIGURES`
    alt: str  # alternative text


@dataclass(frozen=True)
class Section:
    title: str
    text: Sequence[str] = ()  # paragraphs
    points: Sequence[str] = ()  # items of a list
    picture: Picture | None = None
    tables: Sequence[ReportTable] = ()
    details: Sequence[tuple[str, str]] = field(default=())  # (title, verbatim text), folded


@dataclass(frozen=True)
class Document:
    title: str
    subtitle: str
    sections: Sequence[Section]

    @property
    def pictures(self) -> list[str]:
        return [section.picture.name for section in self.sections if section.picture]


def format_number(x: float | None) -> str:
    """A return with about four significant digits; a dash for None and NaN."""
    if x is None or x != x:
        return "–"
    if 0 < abs(x) < 0.1:
        return f"{x:#.3g}"  # 0.06 as 0.0600, beside 0.130
    digits = 1 if abs(x) >= 100 else 2 if abs(x) >= 1 else 3
    return f"{x:,.{digits}f}"


def format_estimate(found: Estimate) -> str:
    """`12.3 [11.9, 12.8]`"""
    if found.ci95 is None:
        return format_number(found.value)
    value, low, high = map(format_number, (found.value, *found.ci95))
    return f"{value} [{low}, {high}]"


def format_probability(found: Estimate) -> str:
    if found.ci95 is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.ci95[0]:.2f}, {found.ci95[1]:.2f}]"


def format_p_value(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def format_count(x: float | None) -> str:
    return "–" if x is None else f"{x:,.0f}"


def join_names(names: Sequence[str]) -> str:
    """`a, b and c`"""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
