"""Few seeds cannot prove what few seeds cannot prove."""

import numpy as np
import pytest
from scipy import stats

from elsinore.host.comparison.significance import holm, rank_p_value

A = np.array


def test_three_seeds_that_all_win_against_three_may_be_chance_one_time_in_ten():
    assert rank_p_value([A([4.0, 5.0, 6.0])], [A([1.0, 2.0, 3.0])]) == pytest.approx(2 / 20)
    assert rank_p_value([A([9.0, 9.0, 9.0])], [A([1.0, 1.0, 1.0])]) == pytest.approx(2 / 20)  # ties change nothing


def test_runs_that_are_all_the_same_say_nothing():
    assert rank_p_value([np.ones(5)], [np.ones(5)]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_it_is_scipys_exact_test(seed):
    x, y = np.split(np.random.default_rng(seed).normal(size=13), [6])
    assert rank_p_value([x], [y]) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)


def test_of_many_runs_it_is_that_test_nearly():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.6, 1, 20), rng.normal(size=20)
    assert rank_p_value([x], [y]) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue, abs=0.01)


def test_two_environments_say_more_than_one():
    x, y = A([4.0, 5.0, 6.0]), A([1.0, 2.0, 3.0])
    assert rank_p_value([x, x], [y, y]) == pytest.approx(2 / 400, abs=0.003)  # both must come out so by chance


def test_what_wins_in_one_environment_and_loses_in_another_is_not_better():
    x, y = A([4.0, 5.0, 6.0]), A([1.0, 2.0, 3.0])
    assert rank_p_value([x, y], [y, x]) == 1.0


def test_chance_is_called_a_difference_as_often_as_it_is_said():
    rng = np.random.default_rng(2)
    found = [rank_p_value([rng.normal(size=6)], [rng.normal(size=6)]) for _ in range(300)]
    assert np.mean(np.array(found) < 0.05) <= 0.08


def test_several_tests_are_held_to_more():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04]) == [0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
