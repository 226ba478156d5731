"""The pages for users of other libraries and of the older trainers name settings and tests that
exist."""

import re
from pathlib import Path

import pytest

from elsinore.algos.registry import config_type
from elsinore.config.experiment import Experiment

ROOT = Path(__file__).resolve().parents[1]
OLDER = (ROOT / "docs" / "decisions" / "older-trainers.md").read_text()
TEXT = (ROOT / "docs" / "migrating.md").read_text() + OLDER
ALGORITHMS = ("ppo", "a2c", "dqn", "pqn", "sac", "td3")
# `a.b.c` in code marks, with what follows a "=" left out
NAMES = sorted(
    {
        match.group(1)
        for match in re.finditer(
            r"`((?:algo|evaluation|convergence|checkpoints|sinks)\.[a-z_.]+)", TEXT
        )
    }
)


def has(record, path: list[str]) -> bool:
    return not path or (hasattr(record, path[0]) and has(getattr(record, path[0]), path[1:]))


@pytest.mark.parametrize("name", NAMES)
def test_a_named_setting_exists(name):
    first, *rest = name.rstrip(".").split(".")
    records = (
        [config_type(algo)() for algo in ALGORITHMS]
        if first == "algo"
        else [getattr(Experiment(), first)]
    )
    assert any(has(record, rest) for record in records)


# The promises of the older trainers that were taken on, and those settled otherwise, by number.
TAKEN_ON = {
    5, 6, 8, 15, 16, 19, 20, 23, 25, 32, 34, 37, 38, 41, 42, 43, 47, 49, 75, 86, 90, 96, 111, 112,
    115, 117, 119, 128, 141, 145, 148, 151, 155, 163, 165, 178, 179, 180, 182, 183, 188, 193, 196,
    198, 200, 205, 214, 215, 232, 235, 237, 244, 249, 253,
}  # fmt: skip
SETTLED = {
    7, 17, 18, 33, 45, 53, 56, 108, 109, 120, 122, 126, 130, 142, 150, 167, 168, 255,
}  # fmt: skip


def numbers_in(text: str) -> list[int]:
    """The numbers in the first column of the tables, each as often as it is there."""
    cells = re.findall(r"(?m)^\| ([0-9, ]+) \|", text)
    return sorted(int(number) for cell in cells for number in cell.split(","))


def test_every_promise_is_on_the_page_once():
    taken_on, settled = OLDER.split("Settled otherwise:")
    assert numbers_in(taken_on) == sorted(TAKEN_ON)
    assert numbers_in(settled) == sorted(SETTLED)


def test_every_promise_that_was_taken_on_is_shown_by_a_test_or_a_command():
    taken_on = OLDER.split("Settled otherwise:")[0]
    for row in re.findall(r"(?m)^\| [0-9, ]+ \|.*$", taken_on):
        shown_by = row.rstrip(" |").rpartition(" | ")[2]
        commands = re.findall(r"python -m benchmarks\.(\w+)", shown_by)
        assert "::test_" in shown_by or commands, row
        for name in commands:
            assert (ROOT / "benchmarks" / f"{name}.py").exists(), row


TESTS = re.findall(r"\| `([a-z_/]+\.py)::(test_\w+)` \|", OLDER)


@pytest.mark.parametrize(("file", "test"), TESTS)
def test_a_test_that_shows_a_promise_exists(file, test):
    assert f"def {test}(" in (ROOT / "tests" / file).read_text()


def test_many_settings_are_named():
    assert len(NAMES) > 25 and len(TESTS) > 20
