"""Elo ratings: known answers of the logistic model, and their intervals."""

import numpy as np
import pytest

from elsinore.analysis.elo import _fitted, _interval, elo


def ratings(wins, draws=None, **rest):
    return [x.rating for x in elo(np.array(wins), draws, resamples=0, **rest)]


def test_three_wins_of_four_are_191_points():
    """400 log10(3) = 190.85."""
    assert ratings([[0, 1], [3, 0]]) == pytest.approx([0, 400 * np.log10(3)], abs=1e-3)


def test_ten_wins_to_one_are_400_points():
    assert ratings([[0, 1], [10, 0]]) == pytest.approx([0, 400], abs=1e-3)


def test_a_draw_is_half_a_win():
    draws = np.array([[0, 2], [2, 0]])
    assert ratings([[0, 0], [2, 0]], draws) == pytest.approx([0, 400 * np.log10(3)], abs=1e-3)


def test_ratings_that_made_the_results_are_found_again():
    """A pair's expected points, by the model, of ratings from -300 to 500."""
    true = np.array([0.0, 150.0, -300.0, 500.0])
    chance = 1 / (1 + 10 ** ((true - true[:, None]) / 400))
    assert ratings(1000 * chance * (1 - np.eye(4))) == pytest.approx(true, abs=1e-2)
    anchored = ratings(1000 * chance * (1 - np.eye(4)), anchor=2)
    assert anchored == pytest.approx(true + 300, abs=1e-2)


def test_players_that_never_met_are_rated_through_those_they_met():
    assert ratings([[0, 1, 0], [3, 0, 1], [0, 3, 0]])[2] == pytest.approx(
        800 * np.log10(3), abs=0.01
    )


def test_who_never_lost_has_no_finite_rating_but_with_a_prior():
    with pytest.raises(ValueError, match="no finite ratings .* give a prior"):
        ratings([[0, 0], [9, 0]])
    assert ratings([[0, 0], [9, 0]], prior=1) == pytest.approx([0, 400 * np.log10(19)], abs=1e-3)


def test_an_interval_has_the_true_rating_in_about_19_of_20_samples():
    rng, hits = np.random.default_rng(0), 0
    chance = 1 / (1 + 10 ** (-100 / 400))
    for sample in range(40):
        won = rng.binomial(200, chance)
        found = elo(np.array([[0, 200 - won], [won, 0]]), resamples=50, seed=sample)[1]
        assert found.low < found.rating < found.high
        hits += found.low <= 100 <= found.high
    assert 33 <= hits <= 40


def test_of_few_games_the_interval_has_no_end():
    """Nine games of ten: in 0.9^10 = 35 % of all resamples the tenth is won, too."""
    found = elo(np.array([[0, 1], [9, 0]]), resamples=400)[1]
    assert found.rating == pytest.approx(400 * np.log10(9), abs=1e-3)
    assert np.isfinite(found.low) and found.low < found.rating and found.high == np.inf
    assert np.isfinite(elo(np.array([[0, 1], [9, 0]]), prior=1, resamples=400)[1].high)


def test_a_resample_rates_those_apart_from_the_anchor_at_infinity_and_keeps_the_others():
    """Players 0 and 1 beat each other, 2 beats both, 3 loses to both; 4 and 5 lose to 2 alone."""
    wins = np.zeros((6, 6))
    wins[0, 1], wins[1, 0] = 1, 3
    wins[2, [0, 1, 4, 5]] = wins[[0, 1], 3] = 1
    found = _fitted(wins, anchor=0)
    np.testing.assert_allclose(
        found, [0, 400 * np.log10(3), np.inf, -np.inf, np.nan, np.nan], atol=1e-3
    )
    low, high = _interval(np.array([found, found]))
    assert low[4] == -np.inf and high[4] == np.inf


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"anchor": 2}, r"anchor=2 must be one of the 2 players"),
        ({"anchor": -1}, r"anchor=-1 must be one of the 2 players"),
        ({"prior": -1.0}, r"prior=-1.0 must be a number of draws"),
        ({"prior": np.nan}, r"prior=nan must be a number of draws"),
        ({"wins": np.array([[0, np.nan], [1, 0]])}, "must be numbers of games"),
    ],
)
def test_a_player_a_prior_and_games_that_are_none_are_refused_by_their_names(given, message):
    with pytest.raises(ValueError, match=message):
        elo(**{"wins": np.array([[0, 2], [1, 0]])} | given)


def test_tables_that_are_no_results_are_refused():
    with pytest.raises(ValueError, match=r"wins of shape \(2, 3\)"):
        elo(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be numbers of games"):
        elo(np.array([[0, -1], [1, 0]]))
