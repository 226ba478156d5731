"""The dashboard draws what the run's numbers are."""

import io

import pytest
from rich.console import Console as Terminal
from rich.text import Text

from elsinore.runs.plain_console import PlainConsole
from elsinore.runs.records import Row
from elsinore.runs.sinks.dashboard import DOTS, HEIGHT, Dashboard, braille
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
        if character != " " and ord(character) - 0x2800 & DOTS[row, column]
    }


def test_a_rising_line_rises_from_the_lowest_dot_to_the_highest():
    assert dots(braille(range(8), 4, 2)) == {(i, i) for i in range(8)}


def test_many_values_share_their_columns():
    found = dots(braille([0.0] * 50 + [1.0] * 50, 1, 1))
    assert found == {(0, 0), (1, 3)}


@pytest.mark.parametrize("values", [[3.0], [3.0] * 40])
def test_a_curve_that_stands_still_is_drawn_at_the_bottom(values):
    assert {row for _, row in dots(braille(values, 5, 3))} == {0}


def test_a_curve_is_blank_beside_its_dots_in_every_encoding():
    assert braille([0.0, 1.0], 3, 1) == ["\u2840 \u2808"]


def a_dashboard(replays=None, width=120):
    stream = io.StringIO()
    terminal = Terminal(file=stream, force_terminal=True, width=width, height=60)
    return Dashboard(5120, 2, terminal=terminal, replays=replays), terminal, stream


def exported(terminal, shown):
    """The text that a terminal shows, without colours."""
    plain = Terminal(file=io.StringIO(), record=True, width=terminal.width)
    plain.print(shown)
    return plain.export_text()


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


def test_a_long_curve_keeps_evenly_spaced_values_and_the_newest(monkeypatch):
    monkeypatch.setattr("elsinore.runs.sinks.dashboard.MOST_VALUES", 8)
    shown, _, stream = a_dashboard()
    for update in range(40):
        rows = [Row(update, 0, "", "eval/return", float(update))]
        shown.write(record(update)._replace(rows=rows))
    shown.close()
    values = shown._history["eval/return"]
    assert values == [0.0, 8.0, 16.0, 24.0, 32.0, 39.0]
    assert "evaluation return 39" in stream.getvalue()


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    settings = {"env_steps": 512, "replays.share": 0.02}
    return train_tiny(tmp_path_factory.mktemp("runs"), "drawn", settings)


def test_it_shows_the_newest_replay_a_step_further_after_each_chunk(a_run):
    shown, terminal, _ = a_dashboard(a_run.path / "replays")
    rows = [Row(4, 0, "", "eval/return", 1.0)]
    first, second = (
        exported(terminal, shown.view(record(update)._replace(rows=rows))) for update in (4, 8)
    )
    shown.close()
    newest = sorted((a_run.path / "replays").glob("*.npz"))[-1]
    assert int(newest.name[:10]) == a_run.summary["updates"]
    for text in (first, second):
        assert "CartPole-v1 · ppo · seed 0 · after 512 env steps" in text
        scene = text[text.index(" agent ") :]
        assert sum(0x2800 < ord(character) <= 0x28FF for character in scene) > 20
    assert first != second and len(first.splitlines()) < 50


@pytest.mark.parametrize("width", [24, 50])
def test_in_a_narrow_terminal_no_line_wraps(width, tmp_path, monkeypatch):
    monkeypatch.setattr("elsinore.scene", lambda replay, time, width: Text("x" * width))
    (tmp_path / "0000000004-seed0.npz").touch()
    shown, terminal, _ = a_dashboard(tmp_path, width)
    chunk = record(4)._replace(rows=[Row(4, 0, "", "eval/return", 1.0)])
    shown.write(chunk)
    lines = exported(terminal, shown.view(chunk)).splitlines()
    shown.close()
    begins, ends = ([i for i, line in enumerate(lines) if line[:1] == edge] for edge in "╭╰")
    assert [end - begin for begin, end in zip(begins, ends, strict=True)] == [HEIGHT + 1, 2]


def test_without_a_replay_that_can_be_drawn_there_are_the_curves(tmp_path, caplog):
    shown, terminal, _ = a_dashboard(tmp_path)
    chunk = record(4)._replace(rows=[Row(4, 0, "", "eval/return", 1.0)])
    shown.write(chunk)
    assert "agent" not in exported(terminal, shown.view(chunk))
    (tmp_path / "0000000004-seed0.npz").write_bytes(b"torn")
    for _ in range(2):
        text = exported(terminal, shown.view(chunk))
        assert "agent" not in text and "evaluation return" in text
    shown.close()
    assert caplog.text.count("the dashboard cannot draw 0000000004-seed0.npz") == 1


def test_without_a_terminal_there_is_the_progress_line(tmp_path, capsys):
    settings = {"sinks.dashboard": True, "sinks.console": True, "env_steps": 512}
    train_tiny(tmp_path, "plain", settings)
    out = capsys.readouterr().out
    assert "512 of 512 steps" in out and "╭" not in out


def test_in_a_terminal_it_is_drawn(tmp_path, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(
        "elsinore.runs.sinks.dashboard.PlainConsole",
        lambda: PlainConsole(file=stream, force_terminal=True, width=120),
    )
    monkeypatch.setattr("elsinore.runs.run_workers.is_terminal", lambda stream: True)
    settings = {"sinks.dashboard": True, "sinks.console": True, "env_steps": 512}
    train_tiny(tmp_path, "drawn", settings)
    assert "training return" in stream.getvalue() and "╭" in stream.getvalue()
