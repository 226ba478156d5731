"""Statistics of results have their known values."""

import numpy as np
import pytest

from elsinore.analysis.compare.results import RunResults, with_finite_returns
from elsinore.analysis.compare.scores import TimeToThreshold, pairs_table, scores_table
from elsinore.analysis.compare.thresholds import KNOWN_REFERENCES
from elsinore.errors import ConfigError
from tests.analysis.compare.synthetic import NAN, result, scores

ACROBOT, MOUNTAIN = "Acrobot-v1", "MountainCar-v0"


def test_a_seed_without_a_finite_return_counts_as_the_worst_there_was():
    a, b = result("a", [10.0, NAN, 30.0]), result("b", [5.0, 20.0])
    np.testing.assert_array_equal(scores(a, b).returns(a), [10.0, 5.0, 30.0])


def test_environments_without_a_finite_return_are_excluded():
    left = with_finite_returns(
        RunResults([result("a", [NAN, NAN], ACROBOT), result("a", [1.0, NAN])], [])
    )
    assert left.envs == ["CartPole-v1"]
    assert [(x.env, x.reason) for x in left.excluded] == [
        (ACROBOT, "without a finite return, like every run in its environment")
    ]
    with pytest.raises(ConfigError, match="there is nothing to report"):
        with_finite_returns(RunResults([result("a", [NAN])], []))


def test_statistics_of_a_run_are_those_of_its_seeds():
    a = result("a", [0.0, 1.0, 2.0, 100.0])
    found = {name: scores(a).over_seeds(a, name).value for name in ("iqm", "mean", "median")}
    assert found == {"iqm": 1.5, "mean": 25.75, "median": 1.5}


def test_one_seed_has_a_value_and_no_interval():
    a = result("a", [7.0])
    assert scores(a).over_seeds(a, "iqm") == (7.0, None)


def test_a_known_environment_is_scaled_by_what_is_known():
    low, high, _ = KNOWN_REFERENCES["CartPole-v1"]
    made = scores(result("a", [low, high]), result("b", [0.0, 1.0]))
    np.testing.assert_allclose(made.normalised("a"), [[0.0, 1.0]])


def test_another_is_scaled_by_the_range_of_what_is_compared():
    made = scores(result("a", [-200.0, -150.0], MOUNTAIN), result("b", [-100.0, -100.0], MOUNTAIN))
    np.testing.assert_allclose(made.normalised("a"), [[0.0, 0.5]])
    np.testing.assert_allclose(made.normalised("b"), [[1.0, 1.0]])
    assert "compared here" in made.reference(MOUNTAIN).source


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": {"env_params": {"max_steps_in_episode": 1_000}}},
        {"settings": {"wrappers": [{"scale_reward": 0.01}]}},
        {"on_stage": True, "curriculum": {}},
    ],
)
def test_a_known_reference_is_of_the_unchanged_environment(changed):
    made = scores(result("a", [1_000.0, 800.0], **changed), result("b", [200.0]))
    assert made.reference("CartPole-v1")[:2] == (200.0, 1_000.0)
    assert "compared here" in made.reference("CartPole-v1").source


def test_a_given_reference_wins_over_a_known_one():
    made = scores(result("a", [50.0]), references={"CartPole-v1": (0.0, 100.0)})
    np.testing.assert_allclose(made.normalised("a"), [[0.5]])


def test_equal_returns_make_no_algorithm_better():
    made = scores(result("a", [3.0, 3.0], MOUNTAIN), result("b", [3.0, 3.0], MOUNTAIN))
    np.testing.assert_allclose(made.normalised("a"), [[0.5, 0.5]])
    pair = made.pairs(MOUNTAIN)[0]
    assert (pair.probability.value, pair.p_value, pair.is_clear) == (0.5, 1.0, False)


def test_over_environments_only_those_are_counted_that_all_have_runs_in():
    made = scores(result("a", [1.0, 2.0]), result("a", [3.0], ACROBOT), result("b", [4.0]))
    assert made.shared_envs == ["CartPole-v1"]
    assert len(made.normalised("a")) == len(made.normalised("b")) == 1


def test_scaling_never_changes_who_is_better():
    rng = np.random.default_rng(0)
    runs = [result(label, rng.normal(size=6), env) for env in (ACROBOT, MOUNTAIN) for label in "ab"]
    plain, scaled = (
        scores(*runs),
        scores(*runs, references={MOUNTAIN: (-9.0, 4.0), ACROBOT: (0.0, 0.1)}),
    )
    assert plain.pairs_over_envs() == scaled.pairs_over_envs()


def test_of_a_pair_the_better_comes_first():
    made = scores(result("low", [1.0, 2.0, 3.0, 4.0]), result("high", [5.0, 6.0, 7.0, 8.0]))
    pair = made.pairs("CartPole-v1")[0]
    assert (pair.x, pair.y, pair.probability.value) == ("high", "low", 1.0)
    assert pair.p_value == pytest.approx(2 / 70)
    assert pair.is_clear


def test_the_pairs_are_a_table_with_those_over_all_environments_last():
    low, high = [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]
    both = [result(x, r, env) for env in (ACROBOT, MOUNTAIN) for x, r in (("a", low), ("b", high))]
    table = pairs_table(scores(*both))
    columns = ["env", "first", "second", "probability", "low", "high", "p", "clear"]
    assert list(table.columns) == columns
    assert table.iloc[0].to_dict() == dict(
        zip(columns, (ACROBOT, "b", "a", 1.0, 1.0, 1.0, pytest.approx(2 / 70), True), strict=True)
    )
    assert list(table["env"]) == [ACROBOT, MOUNTAIN, ""]
    alone = pairs_table(scores(result("a", [1.0]), result("b", [2.0])))
    assert alone[["low", "high"]].isna().all(axis=None) and not alone["clear"].any()
    assert list(pairs_table(scores(result("a", low))).columns) == columns


def test_three_seeds_against_three_are_never_clear():
    made = scores(result("low", [1.0, 2.0, 3.0]), result("high", [7.0, 8.0, 9.0]))
    # the bootstrap alone would be certain
    assert made.pairs("CartPole-v1")[0].probability.ci95 == [1.0, 1.0]
    assert not made.pairs("CartPole-v1")[0].is_clear


# To a threshold

CURVE = [[0, 5, 9], [9, 9, 9], [0, 9, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("rows", "reached", "steps", "seconds"),
    [
        ([1], 1, 100.0, 1.0),
        ([0, 1, 2], 3, 200.0, 2.0),
        ([1, 2, 3], 2, 200.0, 2.0),  # a seed that never reaches it counts as infinitely late
        ([1, 3, 3], 1, None, None),
        ([1, 3], 1, None, None),  # half: between the second and never
        ([3], 0, None, None),
    ],
)
def test_the_median_seed_reaches_a_threshold_or_never_does(rows, reached, steps, seconds):
    a = result("a", np.ones(len(rows)), curve=np.array(CURVE)[rows])
    assert scores(a, thresholds={"": 9.0}).time_to_threshold(a) == TimeToThreshold(
        len(rows), reached, steps, seconds
    )


def test_an_evaluation_without_a_finite_return_reaches_nothing():
    curve = [[NAN, 5.0, 10.0], [np.inf, NAN, 20.0]]
    a = result("a", [10.0, 20.0], curve=curve)  # the worst final return is above the threshold
    found = scores(a, thresholds={"": 9.0}).time_to_threshold(a)
    assert found == TimeToThreshold(2, 2, 300.0, 3.0)


def test_an_episode_statistic_that_a_seed_lacks_has_no_value():
    stats = {"won": {"called": "won", "per_seed": [0.1, 0.2, 0.3, None]}}
    a = result("a", [1.0, 2.0, 3.0, NAN], eval_facts=stats)
    value, interval = scores(a).episode_stat(a, "won")
    assert np.isnan(value) and interval is None


def test_a_threshold_is_given_or_is_the_highest_target_of_the_runs():
    a = result("a", [1.0], settings={"convergence": {"target": 3.0}})
    b = result("b", [1.0], settings={"convergence": {"target": 4.0}})
    assert scores(a, b).threshold("CartPole-v1") == 4.0
    assert scores(a, b, thresholds={"": 7.0, "CartPole-v1": 8.0}).threshold("CartPole-v1") == 8.0
    assert scores(a, b, thresholds={"": 7.0}).threshold("CartPole-v1") == 7.0


def test_without_a_threshold_nothing_is_reached():
    a = result("a", [1.0], MOUNTAIN)
    assert scores(a).time_to_threshold(a) is None


def test_the_table_has_a_row_for_each_environment_and_algorithm():
    table = scores_table(
        scores(result("a", [1.0, 2.0]), result("b", [3.0]), result("a", [4.0, 5.0], ACROBOT))
    )
    assert list(zip(table.env, table.label, table.seeds, strict=True)) == [
        ("CartPole-v1", "a", 2),
        ("CartPole-v1", "b", 1),
        (ACROBOT, "a", 2),
    ]
    assert list(table["mean"]) == [1.5, 3.0, 4.5]
    assert table.mean_low[0] < 1.5 < table.mean_high[0]
    assert np.isnan(table.iqm_low[1])
