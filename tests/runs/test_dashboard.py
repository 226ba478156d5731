"""The dashboard draws what the run's numbers are."""

import io

import pytest
from rich.console import Console as Terminal

from elsinore.runs.sinks.dashboard import DOTS, Dashboard, braille
from elsinore.runs.store import Row
from tests.runs.conftest import record, train_tiny


def dots(lines):
    """(column, row from below) of every dot."""
    height = 4 * len(lines)
    return {
        (2 * i + column, height - 1 - (4 * j + row))
        for j, line in enumerate(lines)
        for i, character in enumerate(line)
        for row in range(4)
        for column in range(2)
        if ord(character) - 0x2800 & DOTS[row, column]
    }


def test_a_rising_line_rises_from_the_lowest_dot_to_the_highest():
    assert dots(braille(range(8), 4, 2)) == {(i, i) for i in range(8)}


def test_many_values_share_their_columns():
    found = dots(braille([0.0] * 50 + [1.0] * 50, 1, 1))
    assert found == {(0, 0), (1, 3)}


@pytest.mark.parametrize("values", [[3.0], [3.0] * 40])
def test_a_curve_that_stands_still_is_drawn_at_the_bottom(values):
    assert {row for _, row in dots(braille(values, 5, 3))} == {0}


def a_dashboard():
    stream = io.StringIO()
    terminal = Terminal(file=stream, force_terminal=True, width=120)
    return Dashboard(5120, 2, None, terminal=terminal), terminal, stream


def test_it_shows_the_progress_and_the_mean_over_seeds_of_each_metric():
    shown, terminal, stream = a_dashboard()
    for update, value in ((4, 10.0), (8, 30.0)):
        rows = [Row(update, seed, "", "eval/return", value + seed) for seed in (0, 1)]
        rows.append(Row(update, 0, "agent_0", "eval/return", 1e9))
        rows.append(Row(update, 0, "", "policy/entropy", float("nan")))
        shown.write(record(update)._replace(rows=rows))
    shown.close()
    text = stream.getvalue()
    assert "512 of 5,120 steps" in text and "evaluation 30.5" in text
    assert "evaluation return 30.5" in text and "10.5 to 30.5" in text
    assert "entropy" not in text


def test_without_a_terminal_there_is_the_progress_line(tmp_path, capsys):
    settings = {"sinks.dashboard": True, "sinks.console": True, "env_steps": 512}
    train_tiny(tmp_path, "plain", settings)
    out = capsys.readouterr().out
    assert "512 of 512 steps" in out and "╭" not in out


def test_in_a_terminal_it_is_drawn(tmp_path, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(
        "elsinore.runs.sinks.dashboard.Terminal",
        lambda: Terminal(file=stream, force_terminal=True, width=120),
    )
    monkeypatch.setattr("elsinore.runs.run_workers.is_terminal", lambda stream: True)
    settings = {"sinks.dashboard": True, "sinks.console": True, "env_steps": 512}
    train_tiny(tmp_path, "drawn", settings)
    assert "training return" in stream.getvalue() and "╭" in stream.getvalue()
