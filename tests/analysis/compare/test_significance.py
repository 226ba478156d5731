"""The rank test is exact for few seeds and never claims more than they show."""

import numpy as np
import pytest
from scipy import stats

from elsinore.analysis.compare.significance import holm, rank_p_value

A = np.array


def test_three_seeds_that_all_win_against_three_may_be_chance_one_time_in_ten():
    assert rank_p_value([A([4.0, 5.0, 6.0])], [A([1.0, 2.0, 3.0])]) == pytest.approx(2 / 20)
    # ties change nothing
    assert rank_p_value([A([9.0, 9.0, 9.0])], [A([1.0, 1.0, 1.0])]) == pytest.approx(2 / 20)


def test_runs_that_are_all_the_same_say_nothing():
    assert rank_p_value([np.ones(5)], [np.ones(5)]) == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_it_is_scipys_exact_test(seed):
    x, y = np.split(np.random.default_rng(seed).normal(size=13), [6])
    assert rank_p_value([x], [y]) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)


def test_of_many_runs_it_is_that_test_nearly():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.6, 1, 20), rng.normal(size=20)
    assert rank_p_value([x], [y]) == pytest.approx(
        stats.mannwhitneyu(x, y, method="exact").pvalue, abs=0.01
    )


def test_two_environments_say_more_than_one():
    x, y = A([4.0, 5.0, 6.0]), A([1.0, 2.0, 3.0])
    # both must come out so by chance
    assert rank_p_value([x, x], [y, y]) == pytest.approx(2 / 400, abs=0.003)


def test_a_win_in_one_environment_and_a_loss_in_another_cancel():
    x, y = A([4.0, 5.0, 6.0]), A([1.0, 2.0, 3.0])
    assert rank_p_value([x, y], [y, x]) == 1.0


def test_false_positives_are_as_rare_as_the_level_says():
    rng = np.random.default_rng(2)
    found = [rank_p_value([rng.normal(size=6)], [rng.normal(size=6)]) for _ in range(300)]
    assert np.mean(np.array(found) < 0.05) <= 0.08


def test_holm_adjusts_for_the_number_of_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04]) == [0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
