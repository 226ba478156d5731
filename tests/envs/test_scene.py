"""Scenes as plain data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsinore.envs import scene as vocabulary
from elsinore.envs.scene import Bar, Bars, Circle, Figure, Grid, Scene, Thing, rounded, to_json


def test_a_scene_becomes_json_with_the_kind_of_each_part():
    hall = Scene(
        "hall",
        (
            Grid(
                "board",
                2,
                1,
                (Thing(1, 0, "fire", "danger"), Thing(0, 0, "guard", "agent", token=True)),
            ),
            Figure("sketch", 1.5, (Circle(0.5, 0.5, 0.1, "goal"),)),
        ),
    )
    travelled = json.loads(json.dumps(to_json(hall)))
    assert travelled == {
        "kind": "scene",
        "title": "hall",
        "panels": [
            {
                "kind": "grid",
                "title": "board",
                "width": 2,
                "height": 1,
                "things": [
                    {
                        "kind": "thing",
                        "x": 1,
                        "y": 0,
                        "label": "fire",
                        "role": "danger",
                        "token": False,
                    },
                    {
                        "kind": "thing",
                        "x": 0,
                        "y": 0,
                        "label": "guard",
                        "role": "agent",
                        "token": True,
                    },
                ],
            },
            {
                "kind": "figure",
                "title": "sketch",
                "aspect": 1.5,
                "shapes": [
                    {"kind": "circle", "x": 0.5, "y": 0.5, "radius": 0.1, "role": "goal"},
                ],
            },
        ],
    }


def test_a_bar_may_be_dangerous_when_low_when_high_or_never():
    def dangerous(value, **limits):
        return Bar("warmth", value, "", **limits).in_danger

    assert dangerous(0.1, danger_below=0.2) and not dangerous(0.3, danger_below=0.2)
    assert dangerous(0.9, danger_above=0.8) and not dangerous(0.7, danger_above=0.8)
    assert not dangerous(0.0) and not dangerous(1.0)


def test_a_scene_cannot_be_changed():
    bars = Bars("needs", ())
    with pytest.raises(AttributeError):
        bars.title = "wants"


NUMBERS = {
    0: "0", 1: "1", -3: "-3", 1234567: "1,234,567", 0.5: "0.500", 3.14159: "3.14",
    -31.4159: "-31.4",
    314.159: "314", 31415.9: "31,416", 0.001234: "0.00123", 1e-9: "1.00e-09", 3e12: "3.00e+12",
    float("nan"): "not a number", float("-inf"): "-∞",
}  # fmt: skip


@pytest.mark.parametrize("value", NUMBERS, ids=str)
def test_numbers_become_short_text(value):
    assert rounded(value) == NUMBERS[value]


@given(st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6))
def test_a_number_as_written_is_the_number_to_three_digits(value):
    assert float(rounded(value).replace(",", "")) == pytest.approx(value, rel=0.0051)


def test_every_kind_of_panel_has_a_title():
    for kind in vocabulary.Panel.__args__:
        assert "title" in kind.__dataclass_fields__
