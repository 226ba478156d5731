"""In a notebook the progress of a run is one output with curves, drawn again and again."""

import types

import IPython
import IPython.display
import pytest

from elsinore.runs import run_workers
from elsinore.runs.curves.svg import rows_svg
from elsinore.runs.records import Row
from elsinore.runs.sinks import notebook
from elsinore.runs.sinks.console import Console
from elsinore.runs.sinks.notebook import NotebookProgress, in_notebook, thinned
from tests.runs.conftest import record, train_tiny


class Handle:
    """IPython's handle of an output, which keeps all that it showed."""

    def __init__(self):
        self.pages = []

    def show(self, page, display_id):
        assert display_id is True and not self.pages  # one output for all
        self.update(page)
        return self

    def update(self, page):
        self.pages.append(page.data)


def chunk(rows):
    return record(4)._replace(rows=rows)


@pytest.fixture
def handle(monkeypatch):
    handle = Handle()
    monkeypatch.setattr(IPython.display, "display", handle.show)
    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    return handle


def test_a_run_in_a_notebook_shows_one_output_with_its_curves(tmp_path, handle, capsys):
    train_tiny(tmp_path, "shown", {"sinks.console": True})
    last = handle.pages[-1]
    assert "100%" in last and last.endswith("eval/return")
    assert last.count("<polyline") == 2  # seeds
    assert "steps/s" not in capsys.readouterr().out


def test_without_a_notebook_there_is_a_line(monkeypatch):
    assert not in_notebook()
    assert run_workers._console(dashboard=False) is Console
    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace())  # a terminal's
    assert not in_notebook()


def test_a_run_without_evaluations_has_the_curve_of_training(handle):
    shown = NotebookProgress(100, 1)
    for update in (1, 2, 3):
        shown._last_shown = 0.0
        shown.write(chunk([Row(update, 0, "", "episode/return", float(update))]))
    assert handle.pages[-1].endswith("1 to 3 episode/return")


def test_it_leaves_no_empty_line_below_itself(handle, capsys):
    shown = NotebookProgress(100, 1)
    shown.write(chunk([Row(1, 0, "", "eval/return", 1.0)]))
    shown.close()
    assert capsys.readouterr().out == ""


def test_long_curves_lose_every_second_update_and_keep_the_newest(handle, monkeypatch):
    monkeypatch.setattr(notebook, "MOST_ROWS", 8)
    rows = [Row(update, seed, "", "eval/return", 0.0) for update in range(9) for seed in (0, 1)]
    assert {row.update for row in thinned(rows)} == {0, 2, 4, 6, 8}
    assert {row.update for row in thinned(rows[2:])} == {2, 4, 6, 8}
    shown = NotebookProgress(100, 2)
    for update in range(100):
        shown.write(chunk([Row(update, seed, "", "eval/return", 0.0) for seed in (0, 1)]))
    assert len(shown._returns["eval/return"]) <= 10


def test_one_point_has_no_curve():
    assert rows_svg([Row(1, 0, "", "eval/return", 1.0)], "eval/return") == ""


def test_what_is_not_finite_is_left_out_and_one_point_of_a_seed_is_a_dot():
    rows = [Row(1, 0, "", "eval/return", float("inf")), Row(2, 0, "", "eval/return", 1.0)]
    drawn = rows_svg([*rows, Row(1, 1, "", "eval/return", 3.0)], "eval/return")
    assert "inf" not in drawn and drawn.endswith("1 to 3")
    assert 'stroke-linecap="round" points="360.0,88.0 360.0,88.0"' in drawn
