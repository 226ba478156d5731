"""A comparison's report on disk: `report.html`, `report.md` and `figures/*.png`."""

import os
import re
from collections.abc import Callable
from html import escape
from pathlib import Path

from elsinore.analysis.compare.document import Document, ReportTable, Section
from elsinore.analysis.compare.figures.curves import draw_sample_efficiency
from elsinore.analysis.compare.figures.improvement import draw_improvement
from elsinore.analysis.compare.figures.profiles import draw_profiles
from elsinore.analysis.compare.figures.returns import draw_over_envs, draw_returns
from elsinore.analysis.compare.figures.style import RC, rendered
from elsinore.analysis.compare.html import as_html
from elsinore.analysis.compare.scores import Scores
from elsinore.analysis.compare.sections import document_of
from elsinore.errors import ConfigError
from elsinore.runs.files.whole_file import whole_file

FIGURES: dict[str, Callable] = {
    "returns": draw_returns,
    "over_envs": draw_over_envs,
    "improvement": draw_improvement,
    "curves": draw_sample_efficiency,
    "profiles": draw_profiles,
}


def write_comparison_report(scores: Scores, path: Path) -> None:
    """Write `report.html`, `report.md` and `figures/*.png` into the folder `path`.

    Raises:
        ConfigError: if they cannot be written.
    """
    from matplotlib import rc_context

    document = document_of(scores)
    svgs, pngs = {}, {}
    with rc_context(RC):
        for name in document.pictures:
            figure = FIGURES[name](scores)
            svgs[name], pngs[name] = rendered(figure, "svg"), rendered(figure, "png")
    texts = {"report.md": as_markdown(document), "report.html": as_html(document, svgs)}
    try:
        folder = path / "figures"
        folder.mkdir(parents=True, exist_ok=True)
        for name, png in pngs.items():
            with whole_file(folder / f"{name}.png") as unfinished:
                unfinished.write_bytes(png)
        for name in FIGURES.keys() - pngs.keys():  # of an earlier report, of other runs
            (folder / f"{name}.png").unlink(missing_ok=True)
        for name, text in texts.items():
            with whole_file(path / name) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written to {path}: {os.strerror(error.errno or 0)}; mend that,"
            " or write it elsewhere by elsinore report with --out FOLDER (in Python,"
            " elsinore.report with out)."
        ) from error


def as_markdown(document: Document) -> str:
    """Markdown text that links its figures as `figures/<name>.png`."""
    parts = [f"# {_escaped(document.title)}", document.subtitle]
    for section in document.sections:
        parts += _markdown_section(section)
    return "\n\n".join(parts) + "\n"


def _markdown_section(section: Section) -> list[str]:
    parts = [f"## {section.title}", *map(_escaped, section.text)]
    if section.points:
        parts.append("\n".join(f"* {_escaped(point)}" for point in section.points))
    if section.picture:
        parts.append(f"![{section.picture.alt}](figures/{section.picture.name}.png)")
    for table in section.tables:
        parts += [f"### {_escaped(table.title)}"] if table.title else []
        parts.append(_markdown_table(table))
    for title, text in section.details:
        summary = escape(_on_one_line(title)).replace("[", "&#91;")
        parts += [
            f"<details><summary>{summary}</summary>",
            _code_block(text.rstrip()),
            "</details>",
        ]
    return parts


def _code_block(text: str) -> str:
    """A block of YAML between fences that are longer than every run of backticks in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}yaml\n{text}\n{fence}"


def _markdown_table(table: ReportTable) -> str:
    lines = [" | ".join(map(_escaped, row)) for row in (table.header, *table.rows)]
    lines.insert(1, " | ".join("---" for _ in table.header))
    return "\n".join(f"| {line} |" for line in lines)


def _escaped(text: str) -> str:
    for letter in "\\|*_<":
        text = text.replace(letter, f"\\{letter}")
    return _on_one_line(text).replace("](", "]\\(")  # no link, and no image


def _on_one_line(text: str) -> str:
    return " ".join(text.splitlines())
