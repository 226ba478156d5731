"""A document as Markdown, its figures beside it."""

from elsinore.host.comparison.document import Document, Section, Table


def as_markdown(document: Document) -> str:
    """Figures are linked as `figures/<name>.png`."""
    parts = [f"# {_plain(document.title)}", document.subtitle]
    for section in document.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"## {section.title}", *map(_plain, section.text)]
    if section.points:
        parts.append("\n".join(f"* {_plain(point)}" for point in section.points))
    if section.picture:
        parts.append(f"![{section.picture.alt}](figures/{section.picture.name}.png)")
    for table in section.tables:
        parts += [f"### {_plain(table.title)}"] if table.title else []
        parts.append(_table(table))
    for title, text in section.details:
        parts.append(f"<details><summary>{title}</summary>\n\n```yaml\n{text.rstrip()}\n```\n\n</details>")
    return parts


def _table(table: Table) -> str:
    lines = [" | ".join(map(_plain, row)) for row in (table.header, *table.rows)]
    lines.insert(1, " | ".join("---" for _ in table.header))
    return "\n".join(f"| {line} |" for line in lines)


def _plain(text: str) -> str:
    """What Markdown would take for markup, as it is."""
    for letter in "\\|*_<":
        text = text.replace(letter, f"\\{letter}")
    return text
