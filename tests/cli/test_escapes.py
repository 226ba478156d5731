"""Texts of a stranger's files reach the terminal as texts: it obeys nothing within them."""

import io
import json
import logging
import shutil
import sqlite3
import sys
import warnings
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import elsinore
from elsinore.cli import main
from elsinore.cli.streams import whole_streams
from elsinore.errors import ConfigError, printable
from elsinore.runs.plain_console import PlainConsole
from elsinore.runs.replays import files as replays
from elsinore.runs.run_log import logging_to
from tests.view.drawing.test_multi_agent import walkers

DATA = Path(__file__).parents[1] / "data" / "runs" / "format1"
OBEYED = "\x1b]0;PWNED\x07\x1b[2J\x9b2J\u202e"  # sets the title, clears the screen, turns around


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äß 東京 ⣿ 🎉\n\tmore", "plain äß 東京 ⣿ 🎉\n\tmore"),
        (OBEYED, "?]0;PWNED??[2J?2J?"),
        ("a\rb\x08c\x7fd\u2028e\ud800", "a?b?c?d?e?"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_a_text_is_shown_without_what_a_terminal_obeys(text, shown):
    assert printable(text) == shown


@pytest.fixture
def run(tmp_path):
    """A stranger's run, with escape sequences in its config, its summary and its store."""
    run = shutil.copytree(DATA, tmp_path / "strange")
    config = (run / "config.yaml").read_text()
    strange = json.dumps(f"eval/{OBEYED}")
    (run / "config.yaml").write_text(config.replace("metric: eval/return", f"metric: {strange}"))
    summary = json.loads((run / "summary.json").read_text())
    changed = summary | {"stopped_by": OBEYED, "env": OBEYED, "algo": OBEYED}
    (run / "summary.json").write_text(json.dumps(changed))
    return run


def shown_by(capfd, *argv: str) -> str:
    main(list(argv))
    out, err = capfd.readouterr()
    assert out + err
    return out + err


def is_plain(text: str) -> bool:
    return not any(letter in text for letter in set(OBEYED) if not letter.isprintable())


@pytest.mark.parametrize("command", ["repair", "doctor", "checkpoints", "runs", "sync", "evaluate"])
def test_no_command_sends_escapes_of_a_run_to_the_terminal(run, capfd, command):
    of = ["--runs-dir", str(run.parent)] if command == "runs" else [str(run)]
    assert is_plain(shown_by(capfd, command, *of))


def test_no_message_about_a_format_sends_escapes(run, capfd):
    with sqlite3.connect(run / "metrics.sqlite") as db:
        db.execute("UPDATE info SET value = ? WHERE name = 'format'", (OBEYED,))
    db.close()
    shown = shown_by(capfd, "repair", str(run))
    assert "has format ?]0;PWNED" in shown and is_plain(shown)


def test_no_replay_sends_escapes(tmp_path, capfd):
    film = walkers()
    strange = film._replace(about=film.about | {"algo": OBEYED, "checkpoint": OBEYED, "seed": 0})
    path = replays.write(tmp_path / "one.npz", strange)
    shown = shown_by(capfd, "play", str(path), "--trust", "--speed", "0")
    assert shown.count("?]0;PWNED") > 1 and is_plain(shown)


def test_the_brackets_of_a_replay_are_no_markup(tmp_path, capfd):
    film = walkers()
    strange = film._replace(about=film.about | {"checkpoint": "[/x][link=http://x]y", "seed": 0})
    path = replays.write(tmp_path / "one.npz", strange)
    shown = shown_by(capfd, "play", str(path), "--trust", "--speed", "0")
    assert "(seed 0 of [/x][link=http://x]y)" in shown


def test_the_repr_of_a_run_has_none(run):
    assert "PWNED" in repr(elsinore.load(run)) and is_plain(repr(elsinore.load(run)))


def test_an_error_a_warning_and_a_line_of_the_log_have_none(tmp_path, capfd):
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "train.log"
    with whole_streams(), logging_to(log):
        print(warnings.formatwarning(OBEYED, UserWarning, "a.py", 1), file=sys.stderr)
        logging.getLogger("elsinore").warning("begun %s", OBEYED)
    assert is_plain(str(ConfigError(OBEYED)) + capfd.readouterr().err + log.read_text())


def test_a_console_keeps_its_own_colours_and_shows_escapes_as_text():
    shown = io.StringIO()
    console = PlainConsole(file=shown, force_terminal=True, color_system="standard", width=80)
    table = Table()
    table.add_column(Text(f"head {OBEYED}"))
    table.add_row(Text(f"cell {OBEYED}", style="red"))
    console.print(table)
    console.print(f"text {OBEYED}", style="bold", highlight=False)
    text = shown.getvalue()
    assert text.count("?]0;PWNED") == 3 and "\x1b[31m" in text
    assert "\x1b]" not in text and "\x1b[2J" not in text and "\u202e" not in text
