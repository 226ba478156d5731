"""The figures of a sweep: what is drawn is within the picture and beside its own label."""

import json

import pytest
from matplotlib.figure import Figure

from elsinore.analysis.sweep import pictures
from elsinore.analysis.sweep.report import _short
from elsinore.analysis.sweep.results import TrialResult, csv_row
from elsinore.config.load_sweep import load_sweep
from elsinore.config.search_space import OneOf
from tests.toys import TOY

GAIN = {"algo.gain": {"uniform": [0.0, 1.0]}}


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draw trials of these scores (None: failed); the axis."""
    figure = Figure(layout="constrained")
    axis = figure.subplots()
    monkeypatch.setattr(pictures, "_figure", lambda *size: (figure, axis))

    def draw(*scores, space=GAIN, settings=None):
        sweep = load_sweep(TOY | {"sweep": {"space": space, "trials": 3}})
        settings = settings or {"algo.gain": 0.4}
        results = [
            TrialResult(i, "", settings, "failed" if x is None else "complete", x, None, [], 0, [])
            for i, x in enumerate(scores)
        ]
        pictures.draw_coordinates(tmp_path / "coordinates.png", sweep, results)
        return axis

    return draw


def marks(axis, x):
    """(height, text) of the labels beside the axis of that place."""
    return [
        (t.get_position()[1], t.get_text()) for t in axis.texts if x < t.get_position()[0] < x + 1
    ]


@pytest.mark.parametrize("scores", [(2.0,), (2.0, 2.0), (1.0, 2.0, 3.0), (None,)])
def test_the_ends_of_every_axis_are_in_the_picture(drawn, scores):
    low, high = drawn(*scores).get_ylim()
    assert low < 0.0 and high > 1.0


def test_the_scores_are_marked_at_their_heights(drawn):
    assert marks(drawn(1.0, 2.0, 3.0), 1) == [(0.0, "1"), (1.0, "3")]


def test_the_better_a_trial_the_better_it_is_seen_on_white(drawn):
    trials = [line for line in drawn(1.0, 2.0, 3.0).lines if line.get_color() != "black"]
    ends = {line.get_ydata()[-1]: line for line in trials}
    light = [sum(ends[height].get_color()[:3]) for height in (0.0, 0.5, 1.0)]
    assert light == sorted(light, reverse=True) and light[-1] < 1.5


@pytest.mark.parametrize("scores", [(2.0,), (2.0, None, 2.0)])
def test_equal_scores_have_one_mark_where_their_lines_end(drawn, scores):
    axis = drawn(*scores)
    assert marks(axis, 1) == [(0.5, "2")]
    assert {line.get_ydata()[-1] for line in axis.lines if len(line.get_xdata()) == 2} >= {0.5}


def test_no_score_has_no_mark(drawn):
    assert marks(drawn(None, None), 1) == []


def test_env_steps_are_written_as_on_other_axes(drawn):
    space = {"env_steps": {"choice": [50_000, 1_000_000]}}
    axis = drawn(1.0, 2.0, space=space, settings={"env_steps": 50_000})
    assert [text for _, text in marks(axis, 0)] == ["50k", "1M"]


def test_a_logarithmic_axis_says_so(drawn):
    for kind, name in (("log", "gain\n(log)"), ("uniform", "gain")):
        axis = drawn(1.0, space={"algo.gain": {kind: [0.01, 1.0]}})
        assert axis.get_xticklabels()[0].get_text() == name


def test_the_ends_of_an_axis_can_be_distinguished(drawn):
    space = {"algo.gain": {"uniform": [0.9, 0.9999]}}
    axis = drawn(499.6, 499.8, 500.0, space=space, settings={"algo.gain": 0.95})
    assert [text for _, text in marks(axis, 0)] == ["0.9", "0.9999"]
    assert [text for _, text in marks(axis, 1)] == ["499.6", "500"]


@pytest.mark.parametrize(("state", "more"), [("complete", ""), ("pruned", "; grey: pruned")])
def test_the_title_speaks_of_pruned_trials_where_there_are_some(drawn, monkeypatch, state, more):
    monkeypatch.setattr(TrialResult, "is_whole", state == "complete")
    assert drawn(1.0, None, 2.0).get_title() == f"2 trials, mean over 1 seed{more}"


@pytest.mark.parametrize("value", [None, True, False, 3, 0.1, float("inf"), "tanh", [8, 8]])
def test_a_choice_is_written_as_in_a_config(value):
    name = "algo.gain"
    result = TrialResult(0, "", {name: value}, "complete", 1.0, None, [1.0], 8, [])
    text = str(value) if isinstance(value, str | float) else json.dumps(value)
    assert str(csv_row(result)[name]) == text
    assert _short(value, OneOf((value,))) == text


def test_an_axis_writes_a_choice_as_in_a_config(drawn):
    space = {"matmul_precision": {"choice": [None, "high"]}}
    axis = drawn(1.0, 2.0, space=space, settings={"matmul_precision": None})
    assert [text for _, text in marks(axis, 0)] == ["null", "high"]


def test_a_picture_is_not_drawn_through_a_link(drawn, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "coordinates.png").symlink_to(tmp_path / "mine")
    drawn(1.0, 2.0)
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "coordinates.png").is_symlink()
