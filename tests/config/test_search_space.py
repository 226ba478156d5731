"""Ranges and choices: what may be drawn from them, and what is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.config.search_space import OneOf, Range, parse_space
from elsinore.errors import ConfigError

units = st.floats(0.0, 1.0, exclude_max=True)


def test_the_halfway_of_each_kind_is_known():
    assert Range("uniform", 1.0, 3.0).at(0.5) == 2.0
    assert Range("log", 1e-4, 1e-2).at(0.5) == pytest.approx(1e-3)
    assert Range("int", 1, 4).at(0.5) == 3
    assert OneOf(("a", "b", None)).at(0.5) == "b"


@given(units)
def test_what_is_drawn_lies_in_the_range_and_knows_where(unit):
    for span in (Range("uniform", -1.0, 3.0), Range("log", 1e-5, 1e-2)):
        assert span.low <= span.at(unit) <= span.high
        assert span.unit_of(span.at(unit)) == pytest.approx(unit, abs=1e-9)
    whole = Range("int", 2, 5).at(unit)
    assert isinstance(whole, int) and 2 <= whole <= 5
    assert OneOf((1, 2, 3)).at(unit) in (1, 2, 3)


def test_whole_numbers_and_choices_are_drawn_equally_often():
    drawn = [Range("int", 1, 4).at(u) for u in np.linspace(0, 1, 400, endpoint=False)]
    assert [drawn.count(i) for i in (1, 2, 3, 4)] == [100] * 4
    drawn = [OneOf(("a", "b")).at(u) for u in np.linspace(0, 1, 400, endpoint=False)]
    assert drawn.count("a") == 200


def test_a_grid_has_both_ends_and_what_lies_evenly_between():
    assert Range("uniform", 0.0, 1.0, 3).grid() == [0.0, 0.5, 1.0]
    assert Range("log", 1e-4, 1e-2, 3).grid() == pytest.approx([1e-4, 1e-3, 1e-2])
    assert list(Range("int", 1, 4).grid()) == [1, 2, 3, 4]
    assert Range("int", 1, 9, 3).grid() == [1, 5, 9]
    assert Range("uniform", 0.0, 1.0, 1).grid() == [0.0]
    assert OneOf((4, 8)).grid() == (4, 8)
    with pytest.raises(ValueError, match="a grid needs a count"):
        Range("log", 1e-4, 1e-2).grid()


def test_numbers_as_yaml_has_them_are_numbers():
    assert parse_space({"algo.x": {"log": ["1e-5", "1e-2"]}}, "space") == {
        "algo.x": Range("log", 1e-5, 1e-2)
    }
    assert parse_space({"algo.x": {"int": [1, 8], "count": 2}}, "space") == {
        "algo.x": Range("int", 1, 8, 2)
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"space=\{\} is empty; it must name the settings to search"),
        ({"a": 3}, r"space.a=3 must have one of uniform, log, int, choice"),
        ({"a": {"normal": [0, 1]}}, r"must have one of uniform, log, int, choice"),
        ({"a": {"log": [1, 2], "uniform": [1, 2]}}, r"must have one of"),
        ({"a": {"log": [1, 2], "step": 2}}, r"must have one of"),
        (
            {"a": {"uniform": [2, 1]}},
            r"space.a.uniform=\[2, 1\] must be two numbers, the lower first",
        ),
        ({"a": {"uniform": [1]}}, r"must be two numbers"),
        (
            {"a": {"uniform": [0, float("inf")]}},
            r"space.a.uniform holds inf, which is no finite number",
        ),
        ({"a": {"uniform": [0, "much"]}}, r"holds 'much', which is no finite number"),
        ({"a": {"uniform": [False, True]}}, r"holds False"),
        ({"a": {"log": [0, 1]}}, r"space.a.log=\[0, 1\] must be above 0"),
        ({"a": {"int": [0.5, 2]}}, r"space.a.int=\[0.5, 2\] must be whole numbers"),
        ({"a": {"choice": []}}, r"space.a.choice=\[\] must be a list that is not empty"),
        ({"a": {"choice": [4, 8, 4]}}, r"has a value twice"),
        (
            {"a": {"log": [1, 2], "count": 0}},
            r"space.a.count=0 must be a whole number from 1",
        ),
    ],
)
def test_what_is_no_range_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        parse_space(given, "space")
