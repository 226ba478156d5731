"""What mkdocs cannot do alone: pages that stand outside docs/ or are generated, and links to source
files (`mkdocs.yml` names this file under `hooks`)."""

import argparse
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# pages of the site that stand outside docs/
ELSEWHERE = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "readme.md": "README.md",
    "security.md": "SECURITY.md",
} | {f"notebooks/{p.stem}.md": f"notebooks/{p.name}" for p in ROOT.glob("notebooks/*.ipynb")}
COMMANDS = "reference/commands.md"
DOCTOR = """\
`elsinore doctor RUN` reads a run's metrics for the signs of bad training that practitioners
look for. It works while the run trains, too. Each finding has the numbers that were seen, what
they mean, and what usually helps; at the end of a run one line names the findings. Numbers
after the name of a seed are of that seed alone. A run without findings may still be bad: only
these signs are looked for. Where a curriculum evaluates its present stage
(`curriculum.evaluate_on: stage`), `time-limit`, `seeds`, `noisy-evaluation`, `worse-at-the-end`
and `plateau` are left out: they compare evaluations, and those of different stages cannot be
compared. From Python: `elsinore.doctor(run)`, where `run` is a `Run`, its folder or its name.
The rules are in [`analysis/doctor_rules.py`](../src/elsinore/analysis/doctor_rules.py), of
which this page is made."""
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|data:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_files(files, config):
    """Add the pages of `ELSEWHERE`, the page of commands, and every file that a page links to."""
    from mkdocs.structure.files import File, InclusionLevel

    texts = {uri: _text_of(ROOT / path) for uri, path in ELSEWHERE.items()}
    texts[COMMANDS] = commands_page()
    for uri, text in texts.items():
        files.append(File.generated(config, uri, content=text))
    pages = [*texts.items(), *((f.src_uri, f.content_string) for f in files.documentation_pages())]
    linked = {path for uri, text in pages for path in _files_linked(uri, text)}
    for path in sorted(linked):
        source = File.generated(config, _site_uri(path), content=_listing(ROOT / path))
        source.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(source)
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links that are right in the repository into links that are right in the site."""
    return links_in_site(page.file.src_uri, markdown)


def links_in_site(uri: str, text: str) -> str:
    """The text of the page `uri`, with links to files of the repository as the site needs them."""

    def replaced(match: re.Match) -> str:
        target = _site_uri(_in_repository(uri, match.group(1)))
        return posixpath.relpath(target, posixpath.dirname(uri) or ".") + (match.group(2) or "")

    return LINK.sub(replaced, text)


def _in_repository(uri: str, link: str) -> str:
    """The path in the repository that a link of the page `uri` names."""
    origin = ELSEWHERE.get(uri, f"docs/{uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def _site_uri(path: str) -> str:
    """Where the site has a file of the repository: as a page, as it is, or as a text."""
    pages = {there: uri for uri, there in ELSEWHERE.items()}
    if path in pages:
        return pages[path]
    if path.startswith("docs/") and not path.endswith(".py"):
        return path.removeprefix("docs/")
    return f"source/{path}.txt"


def _files_linked(uri: str, text: str) -> Iterator[str]:
    """The files and folders of the repository that a page links to, apart from other pages."""
    for link, _ in LINK.findall(text):
        path = _in_repository(uri, link)
        if _site_uri(path).startswith("source/") and (ROOT / path).exists():
            yield path


def _listing(path: Path) -> str:
    """The text of a file; the names in a folder."""
    if path.is_dir():
        return "\n".join(sorted(p.name for p in path.iterdir() if not p.name.startswith("__")))
    return path.read_text()


def _text_of(path: Path) -> str:
    return notebook_page(path) if path.suffix == ".ipynb" else path.read_text()


def notebook_page(path: Path) -> str:
    """A notebook as a page: its text, its code, and the outputs stored in it."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif source:
            parts.append(f"```python\n{source}\n```")
            parts += [text for output in cell["outputs"] if (text := _output(output))]
    return "\n\n".join(parts)


def _output(output: dict) -> str:
    data = output.get("data", {"text/plain": output.get("text", "")})
    if "image/png" in data:
        return f"![](data:image/png;base64,{''.join(data['image/png']).strip()})"
    text = "".join(data.get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```" if text else ""


def commands_page() -> str:
    """Every command with its arguments, read from the parser."""
    from elsinore.cli import elsinore_parser

    parser = elsinore_parser()
    lines = [
        "# Commands",
        "",
        f"{parser.description} `elsinore COMMAND --help` prints the same.",
        "",
    ]
    for name, command, about in _commands(parser):
        lines += [f"## {name}", "", f"{about[:1].upper()}{about[1:]}.", "", *_arguments(command)]
    return "\n".join(lines)


def doctor_page() -> str:
    """All rules and thresholds of `elsinore doctor`: doctor.md, which is committed."""
    from elsinore.analysis.doctor_checks import LIMITS, Limits
    from elsinore.analysis.doctor_rules import RULES
    from elsinore.config.settings import meanings_of

    lines = ["# Diagnosing a run", "", DOCTOR, ""]
    for rule in RULES:
        lines += [f"## {rule.name}", "", rule.means, "", f"*Helps:* {rule.helps}", ""]
    lines += ["## Thresholds", "", "| threshold | value | reason |", "|---|---|---|"]
    reasons = meanings_of(Limits)
    lines += [f"| `{k}` | {value:g} | {reasons[k]} |" for k, value in LIMITS._asdict().items()]
    return "\n".join(lines) + "\n"


def _commands(parser, prefix="elsinore") -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield f"{prefix} {name}", command, about[name]
                yield from _commands(command, f"{prefix} {name}")


def _arguments(command: argparse.ArgumentParser) -> list[str]:
    actions = [
        action
        for action in command._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and action.help != argparse.SUPPRESS
    ]
    rows = [f"| {_cell(_usage(action))} | {_help(command, action)} |" for action in actions]
    return ["| argument | meaning |", "|---|---|", *rows, ""] if rows else []


def _usage(action: argparse.Action) -> str:
    value = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices:
        value = ",".join(map(str, action.choices))
    return " ".join([", ".join(action.option_strings), str(value)]).strip()


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = command._get_formatter()._expand_help(action) if action.help else ""
    return text.replace("|", "\\|")
