"""Statistics over seeds: known answers, laws, and that an interval holds what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from elsinore.runs.statistics import (
    ci95,
    estimate,
    iqm,
    iqm_over_strata,
    mean_over_strata,
    median_over_strata,
    performance_profile,
    probability_of_improvement,
    stratified_ci95,
)

A = np.array
scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12).map(np.array)
tasks = st.lists(scores, min_size=1, max_size=4)


def there(found):
    assert found is not None
    return found


# The interquartile mean


def test_the_iqm_of_one_to_eight_is_that_of_three_to_six():
    assert iqm([8, 1, 7, 2, 6, 3, 5, 4]) == 4.5


def test_a_value_that_is_none_is_not_cut_as_the_highest():
    assert np.isnan(iqm([0.0, 1.0, 2.0, np.nan]))
    np.testing.assert_array_equal(iqm([[0, 1, 2, np.nan], [8, 1, 2, 3]]), [np.nan, 2.5])
    assert np.isnan(iqm([[0.0], [1.0], [2.0], [np.nan]], axis=0)).all()


def test_the_iqm_does_not_see_one_lucky_seed_in_four():
    assert iqm([0, 1, 1, 1000]) == 1.0
    assert iqm([0, 1, 1000]) == pytest.approx(1001 / 3)  # of three seeds there is no quarter to cut


@given(scores)
def test_the_iqm_is_scipys_trimmed_mean(values):
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 99))
def test_over_environments_of_as_many_seeds_it_is_the_iqm_of_all_runs(runs, envs, seed):
    values = np.random.default_rng(seed).normal(size=(envs, runs))
    assert iqm_over_strata(list(values)) == pytest.approx(iqm(values.ravel()))


def test_an_environment_with_more_seeds_does_not_weigh_more():
    few, many = A([0.0, 0.0]), np.ones(200)
    assert iqm_over_strata([few, many]) == pytest.approx(0.5, abs=0.01)
    assert iqm(np.concatenate([few, many])) == 1.0  # what pooling them would say


def test_over_environments_mean_and_median_are_of_the_environments_means():
    strata = [A([0.0, 2.0]), A([5.0]), A([9.0, 10.0, 11.0])]
    assert mean_over_strata(strata) == pytest.approx(16 / 3)
    assert median_over_strata(strata) == 5.0


# Intervals


def test_one_seed_has_no_interval():
    assert ci95([3.0]) is None
    assert stratified_ci95([A([1.0, 2.0]), A([3.0])], mean_over_strata) is None
    assert probability_of_improvement([A([1.0])], [A([0.0, 2.0])]).ci95 is None
    assert performance_profile([A([1.0])], A([0.0]))[1] is None


def test_a_seed_that_is_not_a_number_leaves_no_interval():
    assert ci95([1.0, float("nan"), 2.0]) is None


def test_seeds_that_agree_have_an_interval_of_no_width():
    assert estimate([np.full(5, 3.0)], iqm_over_strata) == (3.0, [3.0, 3.0])


def test_the_same_values_have_the_same_interval():
    values = np.random.default_rng(0).normal(size=9)
    assert ci95(values) == ci95(values)


def test_of_one_environment_the_stratified_interval_is_the_ordinary_one():
    values = np.random.default_rng(1).normal(size=10)
    assert stratified_ci95([values], lambda strata: iqm(strata[0])) == ci95(values)


def test_differences_between_environments_do_not_widen_an_interval():
    rng = np.random.default_rng(2)
    near, far = rng.normal(size=10), rng.normal(size=10)
    low, high = there(stratified_ci95([near, far], mean_over_strata))
    low_far, high_far = there(stratified_ci95([near, far + 1000], mean_over_strata))
    assert high - low == pytest.approx(high_far - low_far)


@pytest.mark.parametrize(("statistic", "truth"), [(np.mean, 0.0), (iqm, 0.0), (np.median, 0.0)])
def test_a_95_percent_interval_covers_the_truth_about_that_often(statistic, truth):
    rng = np.random.default_rng(0)
    intervals = [there(ci95(rng.normal(size=20), statistic)) for _ in range(400)]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.90 <= covered <= 0.99


def test_the_interval_of_a_probability_covers_the_truth_about_that_often():
    rng = np.random.default_rng(3)
    truth = stats.norm.cdf(1 / np.sqrt(2))  # P(N(1, 1) > N(0, 1))
    pairs = [(rng.normal(1, 1, 15), rng.normal(0, 1, 15)) for _ in range(400)]
    intervals = [there(probability_of_improvement([x], [y]).ci95) for x, y in pairs]
    assert 0.90 <= np.mean([low <= truth <= high for low, high in intervals]) <= 0.99


# The probability of improvement


def test_who_always_wins_is_better_for_sure():
    assert probability_of_improvement([A([3.0, 4.0])], [A([1.0, 2.0])]) == (1.0, [1.0, 1.0])


def test_a_tie_counts_half():
    assert probability_of_improvement([A([1.0])], [A([1.0])]).value == 0.5
    assert (
        probability_of_improvement([A([1.0, 2.0])], [A([1.0, 1.0, 3.0])]).value
        == (0.5 + 0.5 + 0 + 1 + 1 + 0) / 6
    )


def test_environments_count_the_same_however_many_runs_they_have():
    x, y = [A([1.0]), A([0.0, 0.0, 0.0])], [A([0.0]), A([1.0, 1.0, 1.0])]
    assert probability_of_improvement(x, y).value == 0.5


@given(scores, scores)
def test_it_is_the_mann_whitney_statistic(x, y):
    u = stats.mannwhitneyu(x, y).statistic
    assert probability_of_improvement([x], [y]).value == pytest.approx(u / (len(x) * len(y)))


@given(tasks)
def test_either_is_better_or_the_other(strata):
    other = [runs[::-1] ** 2 for runs in strata]
    there = probability_of_improvement(strata, other).value
    assert there + probability_of_improvement(other, strata).value == pytest.approx(1.0)
    assert probability_of_improvement(strata, strata).value == pytest.approx(0.5)


@given(tasks)
def test_it_lies_within_its_interval_or_has_none(strata):
    value, interval = probability_of_improvement(strata, [runs + 1 for runs in strata])
    assert interval is None or interval[0] - 1e-9 <= value <= interval[1] + 1e-9


# Profiles


def test_a_profile_is_the_share_of_runs_above_each_level():
    share, band = performance_profile([A([1.0, 2.0, 2.0, 4.0])], A([0.0, 1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(share, [1.0, 0.75, 0.25, 0.25, 0.0])
    # all are above 0 and none above 4
    np.testing.assert_allclose(there(band)[:, [0, -1]], [[1.0, 0.0], [1.0, 0.0]])


def test_a_profile_over_environments_is_the_mean_of_theirs():
    share, _ = performance_profile([A([1.0]), A([0.0, 0.0, 1.0, 1.0])], A([0.5]))
    np.testing.assert_allclose(share, [0.75])


@given(tasks)
def test_a_profile_never_rises_and_lies_in_its_band(strata):
    share, band = performance_profile(strata, np.linspace(-6, 6, 25))
    assert (np.diff(share) <= 0).all()
    assert (share[0], share[-1]) == (1.0, 0.0)
    assert band is None or ((band[0] <= share + 1e-9) & (share <= band[1] + 1e-9)).all()
