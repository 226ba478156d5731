"""Curves and numbers over seeds do not flatter."""

import json
import threading
import time
from itertools import product

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import elsinore
from elsinore.errors import ConfigError
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.curriculum_log import STAGE_METRIC
from elsinore.runs.curves import run_curves
from elsinore.runs.curves import values as curve_values
from elsinore.runs.curves.figure import (
    loss_labels,
    other_labels,
    spans_decades,
    training_figure,
)
from elsinore.runs.curves.style import number_text, plain
from elsinore.runs.curves.values import (
    by_seed,
    learning_values,
    mean_of,
    smoothed,
    values_by_seed,
)
from elsinore.runs.records import Row
from elsinore.runs.statistics import ci95, iqm
from elsinore.runs.store.store import Store
from tests.runs.conftest import record, train_tiny
from tests.runs.test_resume import Accident, on_call

NAN = float("nan")


def curve(seed: int, values: dict[int, float], name: str = "eval/return") -> list[Row]:
    return [Row(update, seed, "", name, value) for update, value in values.items()]


def test_smoothing_begins_at_the_first_value_not_at_zero():
    np.testing.assert_allclose(smoothed(np.full(5, 7.0)), 7.0)
    assert smoothed(np.array([3.0, 9.0]))[0] == 3.0


def test_smoothing_is_a_weighted_mean_of_what_came_so_far():
    values = np.array([1.0, 5.0, 2.0])
    weights = 0.5 ** np.array([2, 1, 0])
    np.testing.assert_allclose(
        smoothed(values, weight=0.5)[2], np.sum(weights * values) / np.sum(weights)
    )


def test_smoothing_skips_what_is_not_a_number():
    got = smoothed(np.array([NAN, 4.0, NAN, float("inf"), 4.0]))
    assert np.isnan(got[0])
    np.testing.assert_allclose(got[1:], 4.0)
    with_gap, without = smoothed(np.array([1.0, NAN, 5.0])), smoothed(np.array([1.0, 5.0]))
    np.testing.assert_allclose(with_gap[[0, 2]], without)


def test_smoothing_ends_where_the_values_end():
    got = smoothed(np.array([1.0, NAN, 5.0, float("inf"), NAN]))
    assert np.isfinite(got[:3]).all() and np.isnan(got[3:]).all()
    assert np.isnan(smoothed(np.array([NAN, NAN]))).all()


def test_each_seed_has_its_own_curve():
    rows = curve(0, {4: 1.0, 8: 2.0}) + curve(3, {4: 5.0}) + curve(0, {4: 9.0}, "loss/value")
    found = by_seed(rows, "eval/return")
    assert {seed: (list(u), list(v)) for seed, (u, v) in found.items()} == {
        0: ([4, 8], [1.0, 2.0]),
        3: ([4], [5.0]),
    }


def test_more_values_than_fit_are_refused(monkeypatch):
    monkeypatch.setattr(curve_values, "MOST_VALUES", 3)
    rows = curve(0, {4: 1.0}) + curve(1, {8: 5.0})
    with pytest.raises(ConfigError, match="eval/return has values of 2 seeds at 2 updates in all"):
        curve_values.values_by_seed(rows, "eval/return")


def test_a_seed_has_no_loss_after_it_has_stopped():
    rows = curve(0, {4: 1.0, 8: 2.0, 12: 3.0}, "loss/value") + curve(1, {4: 23.0}, "loss/value")
    counts = curve(0, {4: 1.0, 8: 1.0, 12: 0.0}, "episode/count")
    counts += curve(1, {4: 1.0, 8: 0.0}, "episode/count")  # seed 1 stopped after update 8
    rows += counts + curve(0, {12: 1.0}, "mine/x") + curve(1, {12: 1.0}, "mine/x")  # of a callback
    updates, values = learning_values(rows, "loss/value")
    assert list(updates) == [4, 8, 12]
    np.testing.assert_allclose(mean_of(values), [12.0, 12.5, 3.0])


def test_a_frozen_seed_keeps_its_last_value():
    updates, values = values_by_seed(
        curve(0, {4: 1.0, 8: 2.0, 12: 3.0}) + curve(1, {4: 10.0}), "eval/return"
    )
    assert list(updates) == [4, 8, 12]
    np.testing.assert_array_equal(values, [[1, 2, 3], [10, 10, 10]])


def test_a_seed_that_has_not_begun_has_no_value_yet():
    _, values = values_by_seed(curve(0, {4: 1.0, 8: 2.0}) + curve(1, {8: 5.0}), "eval/return")
    np.testing.assert_array_equal(values, [[1, 2], [NAN, 5]])


def test_a_metric_without_rows_has_no_curve():
    updates, values = values_by_seed(curve(0, {4: 1.0}), "loss/none")
    assert len(updates) == len(values) == 0


def drawn(tmp_path, records, goal=None, **rest) -> bytes:
    store = Store(tmp_path / "metrics.sqlite")
    store.describe(steps_per_update=64)
    for chunk in records:
        store.write(chunk)
    store.close()
    figure = training_figure(tmp_path / "metrics.sqlite", "a run", goal, **rest)
    figure.savefig(tmp_path / "curves.png")
    return (tmp_path / "curves.png").read_bytes()


def test_the_losses_drawn_are_those_that_the_algorithm_has():
    assert loss_labels({"loss/policy", "loss/value", "loss/total", "eval/return"}) == {
        "loss/policy": "policy",
        "loss/value": "value",
    }
    assert list(loss_labels({"loss/value", "loss/td_error", "rnd/loss"})) == [
        "loss/value",
        "loss/td_error",
        "rnd/loss",
    ]
    assert loss_labels({"loss/mine"}) == {"loss/mine": "mine"}
    assert loss_labels({"loss/total"}) == {"loss/total": "total"}
    assert loss_labels({"policy/entropy"}) == {}


@pytest.mark.parametrize(
    ("metrics", "title", "names"),
    [
        (
            {"policy/entropy", "policy/kl", "learner/gradient_norm"},
            "policy",
            ["policy/entropy", "policy/kl"],
        ),
        ({"value/q", "schedule/epsilon", "learner/gradient_norm"}, "action values", ["value/q"]),
        ({"learner/gradient_norm"}, "learning", ["learner/gradient_norm"]),
        (set(), "learning", []),
    ],
)
def test_the_last_panel_shows_what_the_algorithm_has(metrics, title, names):
    found, labels = other_labels(metrics)
    assert (found, list(labels)) == (title, names)


def test_an_axis_is_logarithmic_only_where_some_values_are_a_hundred_times_others():
    assert spans_decades(np.array([1.0, 2.0, 0.0, -1000.0, NAN]))
    assert not spans_decades(np.array([1.0, 0.0, -50.0, NAN]))
    assert not spans_decades(np.array([0.0, NAN]))
    assert not spans_decades(np.zeros(0))


PPO = (
    "episode/return",
    "loss/policy",
    "loss/value",
    "policy/entropy",
    "policy/kl",
    "policy/clip_fraction",
)
DQN = ("episode/return", "loss/value", "loss/td_error", "value/q", "schedule/epsilon")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "records",
    [
        [record(u, names=PPO) for u in (4, 8, 12)],
        [record(4, seeds=(0,), names=PPO)],
        [record(4, names=PPO), record(8, seeds=(1,), names=PPO)],
        [record(4, value=NAN, names=PPO), record(8, names=PPO)],
        [record(u, names=DQN) for u in (4, 8, 12)],
        [record(4, names=("schedule/epsilon",)), record(8, names=DQN)],
        [record(4, names=("loss/value",))],
        [],
    ],
    ids=[
        "two seeds",
        "one seed and chunk",
        "one seed frozen",
        "not a number",
        "action values",
        "before learning",
        "no policy",
        "nothing",
    ],
)
def test_curves_are_a_picture_drawn_without_a_warning(tmp_path, records):
    png = drawn(tmp_path, records, goal=10.0)
    assert png.startswith(b"\x89PNG")
    assert len(png) > 10_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.1 + 0.2, "0.3"), (-65.5, "-65.5"), (999, "999"), (1000, "1k"),
        (-1500, "-1.5k"), (2_950_000, "2.95M"), (-4e9, "-4G"), (2e-5, "2e-05"),
        (1_000_000.25, "1.00000025M"), (-2.5e14, "-250T"), (3e17, "3e+17"),
    ],
)  # fmt: skip
def test_a_label_of_an_axis_holds_the_whole_number(value, text):
    assert number_text(value) == text


def test_returns_of_millions_leave_no_power_of_ten_in_a_corner_of_the_axis(store, tmp_path):
    for update in (4, 8):
        store.write(record(update, value=1e6 * update))
    figure = training_figure(tmp_path / "metrics.sqlite", "millions")
    FigureCanvasAgg(figure).draw()
    for axis in figure.axes:
        assert axis.yaxis.get_offset_text().get_text() == ""
        assert axis.xaxis.get_offset_text().get_text() == ""


@pytest.mark.parametrize(("each", "bands"), [("seed", 1), ("replica", 0)])
def test_an_interval_is_drawn_over_seeds_and_none_over_members_of_different_settings(
    tmp_path, monkeypatch, each, bands
):
    drawn_bands = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.fill_between", lambda *args, **rest: drawn_bands.append(rest["label"])
    )
    drawn(tmp_path, [record(u, names=("eval/return",)) for u in (4, 8)], each=each)
    assert len(drawn_bands) == bands


def test_the_means_of_a_population_are_those_of_its_best_member(store, tmp_path):
    store.describe(
        first_seed=5, seeds=4, mode="min", members=json.dumps(["gamma=0.9", "gamma=0.99"])
    )
    for update in (4, 8):
        chunk = record(update, seeds=(5, 6, 7, 8), names=("episode/return", "loss/policy"))
        rows = [row._replace(value=float(row.seed)) for row in chunk.rows]
        store.write(chunk._replace(rows=rows))
    figure = training_figure(tmp_path / "metrics.sqlite", "two", each="replica")
    _, evaluation, losses, _ = figure.axes
    assert figure.get_suptitle() == "two\nmeans: the best member, gamma=0.9"
    (mean,) = [line for line in evaluation.lines if line.get_label() == "mean over seeds"]
    assert set(mean.get_ydata()) == {5.5} == set(losses.lines[0].get_ydata())
    assert len(evaluation.lines) == 5  # each seed of each member, and the mean


METRICS = {"ppo": {"loss/value": 1.0, "policy/entropy": 2.0}}
METRICS |= {"dqn": {"loss/value": 9.0, "schedule/epsilon": 0.5}}


def of_agents(tmp_path, agents: dict[str, str]):
    """The labels and the last values of the lines of each panel, of two seeds of these agents: of
    the number i a return of i, and 10 more of the second seed."""
    rows = []
    for update, seed, agent in product((4, 8), (0, 1), ("", *agents)):
        at = list(agents).index(agent) + 10 * seed if agent else 99.0
        own = METRICS[agents[agent]] if agent else METRICS["ppo"] | METRICS["dqn"]
        values = {"episode/return": at, "eval/return": at} | own | {"episode/count": 1.0}
        rows += [Row(update, seed, agent, name, x) for name, x in values.items()]
    store = Store(tmp_path / "metrics.sqlite")
    store.describe(steps_per_update=64)
    store.write(record(8)._replace(rows=rows))
    store.close()
    figure = training_figure(tmp_path / "metrics.sqlite", "agents", 50.0, agents=agents)
    FigureCanvasAgg(figure).draw()
    labelled = [
        [line for line in axis.lines if not line.get_label().startswith("_")]
        for axis in figure.axes[:4]
    ]
    return figure, [{x.get_label(): [*x.get_ydata()][-1:] for x in lines} for lines in labelled]


@pytest.mark.filterwarnings("error")
def test_independent_learners_have_a_line_each_and_no_loss_is_over_two_algorithms(tmp_path):
    agents = {"ann": "ppo", "bob": "ppo", "cat": "dqn"}
    figure, (training, evaluation, losses, others) = of_agents(tmp_path, agents)
    assert training == {"ann": [5.0], "bob": [6.0], "cat": [7.0]}  # means over seeds
    assert evaluation == training | {"target 50": [50.0]}
    assert losses == {"value (ppo)": [1.0], "value (dqn)": [9.0]}
    assert others == {"entropy (ppo)": [2.0], "random actions (dqn) (right)": []}
    titles = [axis.get_title() for axis in figure.axes[:4]]
    assert all(title.endswith(", mean over seeds") for title in titles[:2])
    assert titles[2] == "losses, mean over seeds and agents"


@pytest.mark.filterwarnings("error")
def test_many_independent_learners_have_one_line_together(tmp_path):
    many = {f"agent_{i}": "ppo" for i in range(11)}
    _, (_, evaluation, losses, _) = of_agents(tmp_path, many)
    assert evaluation["mean over seeds"] == [99.0] and "agent_0" not in evaluation
    assert losses == {"value": [9.0]}
    (tmp_path / "metrics.sqlite").unlink()
    figure, (*_, losses, others) = of_agents(tmp_path, many | {"cat": "dqn"})
    assert losses == others == {}
    assert [axis.texts[0].get_text() for axis in figure.axes[2:4]] == ["several algorithms"] * 2


def test_an_evaluation_that_is_not_finite_takes_the_interval_from_its_own_seed_alone(
    tmp_path, monkeypatch
):
    bands = []
    monkeypatch.setattr(
        "matplotlib.axes.Axes.fill_between", lambda self, x, low, high, **rest: bands.append(low)
    )
    records = [record(u, seeds=(0, 1, 2), names=("eval/return",)) for u in (4, 8, 12)]
    for row in [row for row in records[1].rows if row.seed == 1]:
        records[1].rows.remove(row)
        records[1].rows.append(row._replace(value=float("nan")))
    drawn(tmp_path, records)
    (low,) = bands
    assert np.isfinite(low).all()


def test_the_interquartile_mean_leaves_a_quarter_out_at_either_end():
    assert iqm(np.arange(8)) == 3.5
    assert iqm([1000.0, 2.0, -1000.0, 4.0]) == 3.0
    assert iqm([7.0]) == 7.0
    assert iqm([1.0, 2.0, 9.0]) == 4.0  # a quarter of three is nobody
    np.testing.assert_array_equal(iqm([[0, 1, 2, 3], [4, 5, 6, 70]]), [1.5, 5.5])


def test_one_seed_has_no_interval_nor_have_seeds_that_are_not_numbers():
    assert ci95([3.0]) is None
    assert ci95([]) is None
    assert ci95([1.0, NAN, 2.0]) is None


def test_equal_seeds_have_an_interval_of_one_point():
    assert ci95([5.0] * 6) == [5.0, 5.0]


def test_the_same_values_give_the_same_interval_around_their_interquartile_mean():
    values = np.random.default_rng(1).normal(size=10)
    low, high = ci95(values)
    assert [low, high] == ci95(values)
    assert low < iqm(values) < high


def test_about_95_of_100_intervals_hold_the_true_mean():
    samples = np.random.default_rng(2).normal(3.0, 2.0, size=(300, 25))
    intervals = np.array([ci95(sample, statistic=np.mean, resamples=500) for sample in samples])
    held = np.mean((intervals[:, 0] <= 3.0) & (intervals[:, 1] >= 3.0))
    assert 0.87 <= held <= 0.99


# While a run trains, and where it was cut short


def test_a_curve_of_one_point_has_a_marker(store, tmp_path):
    store.write(
        record(4, names=("episode/return", "loss/value"))._replace(
            rows=[
                Row(4, 0, "", name, 1.0) for name in ("episode/return", "eval/return", "loss/value")
            ]
        )
    )
    figure = training_figure(tmp_path / "metrics.sqlite", "one")
    training, evaluation, losses, _ = figure.axes
    assert all(line.get_marker() == "o" for line in training.lines if len(line.get_xdata()))
    assert losses.lines[0].get_marker() == "o"
    assert [line.get_marker() for line in evaluation.lines] == ["o", "o"]  # the seed, the mean
    store.write(record(8))
    for axis in training_figure(tmp_path / "metrics.sqlite", "more").axes[:1]:
        seed_0 = max(axis.lines, key=lambda line: len(line.get_xdata()))
        assert len(seed_0.get_xdata()) > 1 and seed_0.get_marker() in ("", "None")


def test_points_between_gaps_have_markers(store, tmp_path):
    held = {"loss/value": [1.0, NAN, 2.0, 3.0, NAN], "loss/policy": [1.0, NAN, 2.0, NAN, 3.0]}
    held |= {"episode/return": held["loss/policy"], "eval/return": held["loss/policy"]}
    rows = [Row(4 * i, 0, "", n, values[i]) for n, values in held.items() for i in range(5)]
    store.write(record(16)._replace(rows=rows))
    axes = training_figure(tmp_path / "metrics.sqlite", "gaps").axes
    policy, value = axes[2].lines
    assert policy.get_marker() == value.get_marker() == "o"
    assert (policy.get_markevery(), value.get_markevery()) == ([0, 2, 4], [0])
    for axis in axes[:2]:
        assert axis.lines[0].get_marker() == "o" and axis.lines[0].get_markevery() == [0, 2, 4]


def test_every_loss_is_drawn_in_a_line_of_its_own(store, tmp_path):
    names = [f"loss/part_{i:02}" for i in range(12)]
    store.write(record(4, names=names))
    store.write(record(8, names=names))
    losses = training_figure(tmp_path / "metrics.sqlite", "many").axes[2]
    labels = [text.get_text() for text in losses.get_legend().get_texts()]
    assert labels == [name.removeprefix("loss/") for name in names]
    assert len({(line.get_color(), line.get_linestyle()) for line in losses.lines}) == len(names)


@pytest.mark.filterwarnings("error")
def test_long_names_leave_the_curves_their_room(store, tmp_path):
    names = [
        f"loss/{who}_of_a_team_with_a_very_long_name/{what}"
        for who in ("first_agent", "second_agent", "third_agent")
        for what in ("policy", "value")
    ]
    store.write(record(4, names=names))
    figure = training_figure(tmp_path / "metrics.sqlite", 12 * "a long title ")
    FigureCanvasAgg(figure).draw()
    losses = figure.axes[2]
    assert losses.get_window_extent().width > 0.4 * figure.bbox.width
    legend = losses.get_legend().get_window_extent()
    assert legend.x0 >= 0 and legend.x1 <= figure.axes[3].get_tightbbox().x0
    labels = [text.get_text() for text in losses.get_legend().get_texts()]
    assert len(set(labels)) == len(names)
    assert figure._suptitle.get_window_extent().width <= figure.bbox.width


def test_a_legend_is_below_the_label_of_its_axis_however_low_the_axis_is(store, tmp_path):
    names = ["episode/return", *(f"loss/part_{i:02}" for i in range(26))]
    store.write(record(4, names=names))
    figure = training_figure(tmp_path / "metrics.sqlite", "many", goal=10.0)
    FigureCanvasAgg(figure).draw()
    for axis in figure.axes[:3]:
        label = axis.xaxis.label.get_window_extent()
        assert axis.get_legend().get_window_extent().y1 <= label.y0


def test_an_empty_panel_says_that_there_is_nothing(tmp_path):
    store = Store(tmp_path / "metrics.sqlite")
    store.describe(steps_per_update=64)
    store.close()
    axes = training_figure(tmp_path / "metrics.sqlite", "nothing").axes
    said = [[text.get_text() for text in axis.texts] for axis in axes]
    assert said == [["no finished episodes"], ["no evaluations"], ["no metrics"], ["no metrics"]]


def test_one_seed_has_no_mean_over_seeds(store, tmp_path):
    store.write(record(4, seeds=(3,), names=("loss/value", "policy/entropy")))
    _, evaluation, *others = training_figure(tmp_path / "metrics.sqlite", "one", 1e7).axes
    labels = [text.get_text() for text in evaluation.get_legend().get_texts()]
    assert labels == ["the seed", "target 10M"]
    assert [axis.get_title() for axis in others] == ["losses", "policy"]


@pytest.mark.parametrize("stages", [(0.0, 0.0), (0.0, 1.0)])
def test_the_legend_names_a_change_of_stage_only_where_there_is_one(store, tmp_path, stages):
    rows = [Row(4 * i, 0, "", STAGE_METRIC, stage) for i, stage in enumerate(stages, 1)]
    store.write(record(8)._replace(rows=record(8).rows + rows))
    training = training_figure(tmp_path / "metrics.sqlite", "stages").axes[0]
    labels = [text.get_text() for text in training.get_legend().get_texts()]
    assert ("another stage" in labels) == (stages[1] > 0)


def test_an_axis_over_many_decades_has_few_labels(store, tmp_path):
    rows = [Row(i, 0, "", "loss/value", -(10.0**i)) for i in range(18)]
    store.write(record(18)._replace(rows=rows))
    figure = training_figure(tmp_path / "metrics.sqlite", "explosion")
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes[2].yaxis.get_majorticklocs()) <= 10


def test_a_name_with_signs_of_matplotlib_is_drawn_as_it_is(store, tmp_path):
    names = (r"loss/$\frac$", "loss/_mine", r"loss/\$5")
    store.write(record(4, names=names))
    figure = training_figure(tmp_path / "metrics.sqlite", r"$\frac$ on Toy")
    FigureCanvasAgg(figure).draw()
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert sorted(labels) == sorted(plain(name.removeprefix("loss/")) for name in names)


def test_curves_are_drawn_while_a_run_trains_and_of_one_that_fails(tmp_path, monkeypatch):
    drawn = []
    real = run_curves.training_figure

    def draw(database, title, *rest):
        drawn.append((title, threading.current_thread() is threading.main_thread()))
        return real(database, title, *rest)

    monkeypatch.setattr(run_curves, "training_figure", draw)
    monkeypatch.setattr(run_curves, "SHARE", 1e9)

    def slow(record):
        """Lets the worker of the curves see every chunk."""
        time.sleep(0.05)

    with pytest.raises(Accident), monkeypatch.context() as patch:
        failing = on_call(8, CheckpointManager._save_due, Accident)
        patch.setattr(CheckpointManager, "_save_due", failing)
        settings = {"sinks.curves_seconds": 1e-9}
        act = elsinore.acting(lambda record, history: slow(record))
        train_tiny(tmp_path, "cut", settings, callbacks=[act])
    assert (tmp_path / "cut" / "training_curves.png").stat().st_size > 10_000
    *live, (last, in_main) = drawn
    assert last.endswith("2 seeds: unfinished") and in_main
    assert live and not any(main for _, main in live)
    assert all(": training, " in title and title.endswith(" env steps") for title, _ in live)
