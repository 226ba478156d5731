"""A document as one self-contained HTML file: figures inside, no scripts, no network."""

import base64
from collections.abc import Mapping
from html import escape

from elsinore.analysis.compare.document import Document, ReportTable, Section

CSS = """
:root { color-scheme: light dark; --paper: light-dark(#ffffff, #101318);
  --ink: light-dark(#1f2430, #eef1f5); --faint: light-dark(#667085, #8d97a5);
  --line: light-dark(#e4e7ec, #2a313c); --blue: light-dark(#0072b2, #56b4e9);
  --raised: light-dark(#f2f7fb, #171b22); }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  sans-serif; }
main { max-width: 58rem; margin: 0 auto; padding: 2.5rem 1.25rem 5rem;
  overflow-wrap: break-word; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .35rem; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .5rem; padding-top: 1.1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 1.4rem 0 .35rem; }
.subtitle { color: var(--faint); margin: 0; }
.glance { background: var(--raised); border-left: 4px solid var(--blue); padding: .25rem 1.25rem;
  margin-top: 1.5rem; }
.glance h2 { border: 0; padding: 0; margin: .8rem 0 .2rem; }
.glance ul { padding-left: 1.1rem; }
img { display: block; width: 100%; min-width: 40rem; height: auto; margin: 1.25rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
td { white-space: nowrap; }
td.long { white-space: normal; overflow-wrap: anywhere; }
td:first-child { font-weight: 600; }
details { margin: .6rem 0; }
summary { cursor: pointer; color: var(--blue); }
pre { background: var(--raised); border: 1px solid var(--line); padding: .8rem 1rem;
  overflow-x: auto; font-size: .8rem; }
@media screen and (prefers-color-scheme: dark) { img { filter: invert(.93) hue-rotate(180deg); } }
@media print { :root { color-scheme: light; } img { min-width: 0; }
  main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  img, table { break-inside: avoid; } }
"""


def as_html(document: Document, svgs: Mapping[str, bytes]) -> str:
    """HTML text; `svgs` are the figures by name."""
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(document.title)}</title>",
        f"<style>{CSS}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{escape(document.title)}</h1>",
        f'<p class="subtitle">{escape(document.subtitle)}</p>',
    ]
    for i, section in enumerate(document.sections):
        parts += [
            f'<section class="{"glance" if i == 0 else "part"}">',
            *_section(section, svgs),
            "</section>",
        ]
    return "\n".join([*parts, "</main>", "</body>", "</html>", ""])


def _section(section: Section, svgs: Mapping[str, bytes]) -> list[str]:
    parts = [
        f"<h2>{escape(section.title)}</h2>",
        *(f"<p>{escape(text)}</p>" for text in section.text),
    ]
    if section.points:
        parts += ["<ul>", *(f"<li>{escape(point)}</li>" for point in section.points), "</ul>"]
    if section.picture:
        data = base64.b64encode(svgs[section.picture.name]).decode()
        parts.append(
            f'<div class="scroll"><img alt="{escape(section.picture.alt)}"'
            f' src="data:image/svg+xml;base64,{data}"></div>'
        )
    for table in section.tables:
        parts += _table(table)
    for title, text in section.details:
        parts.append(
            f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
        )
    return parts


def _table(table: ReportTable) -> list[str]:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.header)
    rows = ["<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in table.rows]
    title = [f"<h3>{escape(table.title)}</h3>"] if table.title else []
    return [*title, '<div class="scroll"><table>', f"<tr>{head}</tr>", *rows, "</table></div>"]


def _cell(text: str) -> str:
    return f'<td class="long">{escape(text)}</td>' if len(text) > 40 else f"<td>{escape(text)}</td>"
