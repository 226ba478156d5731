"""The progress line."""

import io
import logging
import math
from functools import partial

import pytest

from elsinore.config.experiment import StopConfig
from elsinore.runs.budgets import Spent
from elsinore.runs.members import seeds_of_best
from elsinore.runs.records import EPISODE_COUNT, Row, return_text
from elsinore.runs.sinks.console import Console
from tests.runs.conftest import record


def test_the_speed_is_that_of_the_last_chunks_together():
    """A chunk that was ready while the host read the one before seems to have taken no time."""
    stream = io.StringIO()
    console = Console(100_000, 1, stream)
    console.write(record(4)._replace(env_steps=1000, seconds=1.0, steps_per_second=1000.0))
    console.write(record(8)._replace(env_steps=100_000, seconds=0.001, steps_per_second=1e6))
    first, last = stream.getvalue().splitlines()
    assert "1,000 steps/s  0:01 gone, 1:39 left" in first
    assert "1,998 steps/s  0:01 gone, 0:00 left" in last


def test_seeds_that_have_stopped_are_not_counted_though_a_callback_logs_a_number_of_them():
    console = Console(30_000, 4, io.StringIO())
    rows = [Row(4, seed, "", "mine/number", 1.0) for seed in range(4)]
    rows.append(Row(4, 2, "", EPISODE_COUNT, 3.0))
    some = record(4)._replace(rows=rows, env_steps=10_000, seconds=1.0, steps_per_second=1e3)
    console.write(some)
    line = console.line(some)
    assert "1 of 4 seeds learning" in line and "0:20 left" in line


@pytest.mark.parametrize(
    ("stop", "shown", "end"),
    [
        (
            StopConfig(episodes=1_000),
            " 25%  250 of 1,000 episodes  900 steps ",
            "gone, 0:30 left",
        ),
        (StopConfig(seconds=40.0), " 25%  10 of 40 s  900 of 9,000 steps ", "gone, 0:30 left"),
        (
            StopConfig(seconds=1e6),
            " 10%  10 of 1,000,000 s  900 of 9,000 steps ",
            "gone, 1:30 left",
        ),
    ],
)
def test_a_budget_in_episodes_or_seconds_is_shown_in_its_own_unit(stop, shown, end):
    """The fewest episodes of a seed that learns; a resumed run has those of before, too."""
    halves = [
        record(4 * i)._replace(
            rows=[Row(4 * i, seed, "", EPISODE_COUNT, 125.0 + seed) for seed in range(2)],
            **{"env_steps": 450 * i, "seconds": 5.0, "steps_per_second": 180.0},
        )
        for i in (1, 2)
    ]
    whole = Console(9_000, 2, io.StringIO(), stop=stop)
    spent = Spent()
    spent.add(halves[0].rows, halves[0].seconds)
    resumed = Console(9_000, 2, io.StringIO(), stop=stop, spent=spent)
    for half in halves:
        whole.count(half)
    resumed.count(halves[1])
    for console in (whole, resumed):
        line = console.line(halves[1])
        assert shown in line and line.endswith(end), line


def test_a_line_is_written_whole_so_that_no_warning_comes_before_its_end(monkeypatch):
    """As to a pipe under PYTHONUNBUFFERED, where the log is written by another thread."""
    stream, parts = io.StringIO(), []
    monkeypatch.setattr(stream, "write", parts.append)
    Console(100_000, 1, stream).write(record(4)._replace(env_steps=1000))
    assert [part[-1:] for part in parts if part] == ["\n"]


def test_the_last_line_is_of_the_end_though_that_comes_before_the_budget():
    """As where every seed has converged."""
    stream = io.StringIO()
    console = Console(100_000, 1, stream)
    for env_steps in (1_000, 2_000, 3_000):
        console.write(record(4)._replace(env_steps=env_steps))
    console.close()
    first, last = stream.getvalue().splitlines()
    assert "1,000 of 100,000 steps" in first and "3,000 of 100,000 steps" in last


def test_returns_of_a_population_are_of_its_best_member():
    """Two members of two seeds each; the second is the best by evaluations, old ones too."""
    best = partial(seeds_of_best, seeds=range(4), members=2, mode="max")
    console = Console(30_000, 4, io.StringIO(), what="replicas", seeds_of_best=best)

    def rows(name, *values):
        return [Row(4, seed, "", name, value) for seed, value in enumerate(values)]

    first = record(4)._replace(rows=rows("eval/return", 1.0, 3.0, 20.0, 30.0))
    console.write(first)
    assert "evaluation 25.0 of the best member" in console.line(first)
    later = record(8)._replace(rows=rows("episode/return", 90.0, 90.0, 5.0, math.nan))
    console.write(later)
    assert "training 5.0 of the best member" in console.line(later)


def test_an_evaluation_of_a_seed_that_has_stopped_stays_in_the_mean_also_after_a_resume():
    before = [Row(4, seed, "", "eval/return", value) for seed, value in enumerate((500.0, 100.0))]
    new = record(8, seeds=(1,), value=192.0)  # 201 with update and seed
    for console in (Console(10_000, 2, io.StringIO()), Console(10_000, 2, evaluations=before)):
        console.count(record(4)._replace(rows=before))
        console.count(new)
        assert console.mean(new, "eval/return") == (500.0 + 201.0) / 2
    alone = Console(10_000, 2, evaluations=before)
    alone.count(new)
    assert "evaluation 350.5" in alone.line(new)


def test_an_evaluation_that_is_not_finite_is_in_no_mean_and_no_earlier_one_stands_for_it():
    console = Console(10_000, 2, io.StringIO())
    for update, values in ((4, (500.0, 100.0)), (8, (math.nan, 200.0)), (12, (200.0,))):
        at = [1] if len(values) == 1 else [0, 1]
        new = [Row(update, s, "", "eval/return", v) for s, v in zip(at, values, strict=True)]
        last = record(update)._replace(rows=new)
        console.count(last)
    assert console.mean(last, "eval/return") == 200.0


class Terminal(io.StringIO):
    """A stream of a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("columns", "rows"), [(60, 3), (100, 2), (200, 1)])
def test_a_line_replaces_the_whole_of_the_one_before_in_a_terminal_of_any_width(
    monkeypatch, columns, rows
):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    console = Console(30_000, 4, stream)
    for env_steps in (10_000, 30_000):
        console.write(record(4)._replace(env_steps=env_steps))
    console.close()
    first, last = stream.getvalue().split("\r")[1:]
    for shown in (first.removeprefix("\x1b[J"), last.partition("\x1b[J")[2].rstrip("\n")):
        assert len(shown.split("\n")) == rows and max(map(len, shown.split("\n"))) < columns
        assert " ".join(shown.split()).endswith("left")
    assert last.startswith(f"\x1b[{rows - 1}A\x1b[J" if rows > 1 else "\x1b[J")
    assert "30,000 of 30,000 steps" in last and last.endswith("left\n")


def test_a_record_of_the_log_is_below_the_line(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream, log = Terminal(), logging.getLogger("elsinore")
    handler = logging.StreamHandler(stream)
    log.addHandler(handler)
    try:
        console = Console(30_000, 1, stream)
        console.write(record(4)._replace(env_steps=30_000))
        log.warning("finished")
        console.close()
        log.warning("after it")
    finally:
        log.removeHandler(handler)
    assert stream.getvalue().endswith("left\nfinished\nafter it\n")
    assert console._end_line not in log.filters


def test_a_terminal_that_cannot_move_its_cursor_has_plain_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    console = Console(30_000, 1, stream)
    console.write(record(4)._replace(env_steps=30_000))
    console.close()
    assert stream.getvalue().startswith("[####") and stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(123.456, "123.5"), (0.94, "0.94"), (-0.0004, "-0.0004"), (0.0, "0.0"), (None, "not finite")],
)
def test_small_returns_are_distinguished(value, text):
    assert return_text(value) == text
