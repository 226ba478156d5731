"""Fenced blocks of a page, and how to run each as a reader would: shell commands in a shell's
order, Python in one namespace a page, YAML as settings, SQL on a run's store."""

import contextlib
import re
import shlex
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from elsinore.cli import main
from elsinore.config.load import load_experiment
from elsinore.config.load_sweep import load_sweep

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("python", "sh", "console", "yaml", "sql")
OUTPUT = ("text", "json")  # shown, and nothing to run
NOT_RUN = re.compile(r"^\*Not run by the tests: (.+)\.\*$")
FILE_NAME = re.compile(r"# ([\w./-]+\.(?:py|yaml))$")
TARGET = re.compile(r"^([a-z-]+):", re.M)


class Snippet(NamedTuple):
    """A fenced block."""

    page: str  # its path in the repository
    line: int
    language: str
    text: str
    not_run: str  # the reason that the page gives; "" for a block that is run


def snippets_of(page: Path) -> list[Snippet]:
    """The fenced blocks of a page, in order.

    Raises:
        ValueError: for a fence without a language.
    """
    lines, found, began = page.read_text().splitlines(), [], None
    for i, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if began is None:
            began = i
            if line[3:] not in LANGUAGES + OUTPUT:
                raise ValueError(f"{page}:{i + 1}: a fence needs one of {LANGUAGES + OUTPUT}")
            continue
        above = next((text for text in reversed(lines[:began]) if text), "")
        reason = NOT_RUN.match(above)
        text = "\n".join(lines[began + 1 : i]) + "\n"
        name = str(page.relative_to(ROOT))
        found.append(
            Snippet(name, began + 1, lines[began][3:], text, reason.group(1) if reason else "")
        )
        began = None
    return found


def run(snippet: Snippet, folder: Path, namespace: dict[str, Any], run_name: str) -> None:
    """Run a block in the current folder `folder`; `run_name` is the run that SQL is about."""
    named = FILE_NAME.match(snippet.text.split("\n", 1)[0])
    if snippet.language in ("python", "yaml") and named:
        (folder / named.group(1)).write_text(snippet.text)
    if snippet.language == "python":
        where = f"{snippet.page}:{snippet.line}"
        exec(compile(snippet.text, where, "exec"), namespace)
    elif snippet.language == "yaml" and not named:
        load_settings(yaml.safe_load(snippet.text))
    elif snippet.language == "sql":
        run_sql(snippet.text, folder / "runs" / run_name / "metrics.sqlite")
    elif snippet.language in ("sh", "console"):
        for command in commands_in(snippet):
            run_command(command)


def load_settings(data: dict[str, Any]) -> None:
    """Check a config of an experiment or a sweep."""
    if "sweep" in data:
        load_sweep(data)
    else:
        load_experiment(config=data)


def run_sql(text: str, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        assert db.execute(text).description


def commands_in(snippet: Snippet) -> list[str]:
    """The commands of a block, without what it shows as their output."""
    lines = snippet.text.replace("\\\n", "").splitlines()
    if snippet.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line and not line.startswith("#")]


def run_command(command: str) -> None:
    """Run a command in this process if it is one of elsinore's alone, else in a shell.

    What `make` would do is left to the CI; here its target must exist.
    """
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        assert words[1] in TARGET.findall((ROOT / "Makefile").read_text()), command
    elif words[0] == "elsinore" and not {"|", ">", "&&", ";"} & set(words):
        assert main(words[1:]) == 0, command
    else:
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, timeout=200)
