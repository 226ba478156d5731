"""The progress line."""

import io

import pytest

from elsinore.runs.records import return_text
from elsinore.runs.sinks.console import Console
from tests.runs.conftest import record


def test_the_speed_is_that_of_the_last_chunks_together():
    """A chunk that was ready while the host read the one before seems to have taken no time."""
    stream = io.StringIO()
    console = Console(100_000, 1, None, stream)
    console.write(record(4)._replace(env_steps=1000, seconds=1.0, steps_per_second=1000.0))
    console.write(record(8)._replace(env_steps=100_000, seconds=0.001, steps_per_second=1e6))
    first, last = stream.getvalue().splitlines()
    assert "1,000 steps/s  0:01 gone, 1:39 left" in first
    assert "1,998 steps/s  0:01 gone, 0:00 left" in last


def test_the_last_line_is_of_the_end_though_that_comes_before_the_budget():
    """As where every seed has converged."""
    stream = io.StringIO()
    console = Console(100_000, 1, None, stream)
    for env_steps in (1_000, 2_000, 3_000):
        console.write(record(4)._replace(env_steps=env_steps))
    console.close()
    first, last = stream.getvalue().splitlines()
    assert "1,000 of 100,000 steps" in first and "3,000 of 100,000 steps" in last


@pytest.mark.parametrize(
    ("value", "text"),
    [(123.456, "123.5"), (0.94, "0.94"), (-0.0004, "-0.0004"), (0.0, "0.0"), (None, "not finite")],
)
def test_small_returns_are_distinguished(value, text):
    assert return_text(value) == text
