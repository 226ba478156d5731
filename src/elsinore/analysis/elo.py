"""Elo ratings from the results of games between players.

The probability that i beats j is 1 / (1 + 10^((r_j - r_i) / 400)) (Elo 1978, "The Rating of
Chessplayers, Past and Present"; the model of Bradley & Terry 1952, Biometrika 39). The ratings
are those of maximum likelihood, a draw counting as half a game won by each.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.sparse.csgraph import breadth_first_order

SCALE = 400 / np.log(10)  # Elo points of a natural logarithm of odds


class Rating(NamedTuple):
    """A player's rating, with its 95 % interval, of which an end may be infinite."""

    rating: float
    low: float
    high: float


def elo(
    wins: Float[np.ndarray, "player player"],
    draws: Float[np.ndarray, "player player"] | None = None,
    *,
    anchor: int = 0,
    prior: float = 0.0,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Rating]:
    """Ratings of all players, with 95 % percentile bootstrap intervals over the games of each pair.

    A resample in which a player has won every game rates it at infinity, so without a `prior` the
    interval of few games may have no end.

    Args:
        wins: `wins[i, j]` games that i won against j.
        draws: `draws[i, j]` games that they drew; symmetric. None: no draws.
        anchor: the player whose rating is 0.
        prior: draws added to each pair that has played, in every resample; 0 is maximum likelihood.
            Above 0 keeps the ratings finite where a player has won every game.

    Raises:
        ValueError: for tables of other shapes or with negative numbers, an `anchor` that is no
            player, a negative `prior`, or results that no finite ratings have the largest
            likelihood of.
    """
    wins = np.asarray(wins, float)
    draws = np.zeros_like(wins) if draws is None else np.asarray(draws, float)
    _check(wins, draws, anchor, prior)
    found = _fitted(_scores(wins, draws, prior), anchor)
    if not np.isfinite(found).all():
        raise ValueError(
            "no finite ratings are the likeliest: some players have won or lost every game against"
            " the others; give a prior, such as prior=1 draw of each pair, or play more games."
        )
    rng = np.random.default_rng(seed)
    again = [
        _fitted(_scores(*_resampled(rng, wins, draws), prior), anchor) for _ in range(resamples)
    ]
    low, high = _interval(np.array(again)) if again else (found, found)
    return [Rating(*map(float, row)) for row in zip(found, low, high, strict=True)]


def _check(wins: np.ndarray, draws: np.ndarray, anchor: int, prior: float) -> None:
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or draws.shape != wins.shape:
        raise ValueError(
            f"wins of shape {wins.shape} and draws of shape {draws.shape} must be square, with a"
            " row and a column for each player."
        )
    known = np.isfinite(wins).all() and np.isfinite(draws).all()
    if not known or (wins < 0).any() or (draws < 0).any() or (draws != draws.T).any():
        raise ValueError("wins and draws must be numbers of games, and draws symmetric.")
    if not 0 <= anchor < len(wins):
        raise ValueError(f"anchor={anchor} must be one of the {len(wins)} players, from 0.")
    if not 0.0 <= prior < np.inf:
        raise ValueError(f"prior={prior} must be a number of draws, 0 or more.")


def _scores(wins: np.ndarray, draws: np.ndarray, prior: float) -> np.ndarray:
    """Points of i against j: a game won is 1, a draw 1/2."""
    played = (wins + wins.T + draws) > 0
    return (wins + draws / 2 + prior / 2 * played) * (1 - np.eye(len(wins)))


def _resampled(
    rng: np.random.Generator, wins: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As many games of each pair, drawn from its results with replacement."""
    new_wins, new_draws = np.zeros_like(wins), np.zeros_like(draws)
    for i, j in zip(*np.triu_indices(len(wins), 1), strict=True):
        results = np.array([wins[i, j], draws[i, j], wins[j, i]])
        if total := results.sum():
            drawn = rng.multinomial(round(total), results / total)
            new_wins[i, j], new_draws[i, j], new_wins[j, i] = drawn
            new_draws[j, i] = new_draws[i, j]
    return new_wins, new_draws


def _interval(again: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5 % and 97.5 % percentiles of [resample, player]; a rating that a resample leaves open
    (NaN) may be any."""
    least = np.where(np.isnan(again), -np.inf, again)
    most = np.where(np.isnan(again), np.inf, again)
    # of sorted values, not between two: nothing is between two infinite ones
    low = np.quantile(least, 0.025, axis=0, method="lower")
    return low, np.quantile(most, 0.975, axis=0, method="higher")


def _fitted(scores: np.ndarray, anchor: int) -> np.ndarray:
    """Ratings under which these points are the likeliest.

    A rating is finite where the player and the anchor can each be reached from the other by games
    won (Ford 1957, American Mathematical Monthly 64). It is infinite where one can in one
    direction, and NaN where neither can.
    """
    above, below = (_reached(table, anchor) for table in (scores.T, scores))
    ratings = np.select([above & below, above, below], [0.0, np.inf, -np.inf], np.nan)
    level = np.flatnonzero(above & below)
    if len(level) > 1:
        ratings[level] = _likeliest(scores[np.ix_(level, level)], list(level).index(anchor))
    return ratings


def _reached(scores: np.ndarray, player: int) -> np.ndarray:
    """True for each player that is reached from this one by games won."""
    found = np.zeros(len(scores), bool)
    found[breadth_first_order(scores > 0, player, return_predecessors=False)] = True
    return found


def _likeliest(scores: np.ndarray, anchor: int) -> np.ndarray:
    """`_fitted`, of players whose ratings are finite."""
    played, free = scores + scores.T, np.arange(len(scores)) != anchor

    def terms(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rating = np.zeros(len(scores))
        rating[free] = x
        gap = rating[:, None] - rating
        return gap, 1 / (1 + np.exp(-gap))

    def loss(x: np.ndarray) -> float:
        return float((scores * np.logaddexp(0, -terms(x)[0])).sum())

    def gradient(x: np.ndarray) -> np.ndarray:
        return (played * terms(x)[1] - scores).sum(axis=1)[free]

    def hessian(x: np.ndarray) -> np.ndarray:
        beats = terms(x)[1]
        weight = played * beats * (1 - beats)
        return (np.diag(weight.sum(axis=1)) - weight)[np.ix_(free, free)]

    start = np.zeros(free.sum())
    fit = minimize(loss, start, method="trust-exact", jac=gradient, hess=hessian, tol=1e-8)
    ratings = np.zeros(len(scores))
    ratings[free] = SCALE * fit.x
    return ratings
