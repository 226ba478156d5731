"""The page for users of other libraries names settings that exist."""

import re
from pathlib import Path

import pytest

from elsinore.algos.registry import config_type
from elsinore.config.experiment import Experiment

PAGE = Path(__file__).resolve().parents[1] / "docs" / "migrating.md"
ALGORITHMS = ("ppo", "a2c", "dqn", "pqn", "sac", "td3")
# `a.b.c` in code marks, with what follows a "=" left out
NAMES = sorted(
    {
        match.group(1)
        for match in re.finditer(
            r"`((?:algo|evaluation|convergence|checkpoints|sinks)\.[a-z_.]+)", PAGE.read_text()
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


TESTS = re.findall(r"\| `([a-z_/]+\.py)::(test_\w+)` \|", PAGE.read_text())


@pytest.mark.parametrize(("file", "test"), TESTS)
def test_a_test_that_shows_a_promise_exists(file, test):
    assert f"def {test}(" in (PAGE.parents[1] / "tests" / file).read_text()


def test_many_settings_are_named():
    assert len(NAMES) > 25 and len(TESTS) > 20
