"""Robust statistics over seeds, with bootstrap confidence intervals.

A *stratum* is the runs of one environment. Statistics over several environments give each the same
weight and are resampled within each, so that an interval covers the choice of seeds and not that of
environments.

Source: Agarwal 2021, "Deep reinforcement learning at the edge of the statistical precipice",
arXiv:2108.13264.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
Strata = Sequence[np.ndarray]  # of each environment, [run] or, resampled, [resample, run]


class Estimate(NamedTuple):
    """A number, and its 95 % interval or None."""

    value: float
    ci95: list[float] | None


def iqm(values, axis: int = -1) -> np.ndarray:
    """The interquartile mean: the mean without the lowest and the highest quarter (Agarwal 2021,
    arXiv:2108.13264). NaN if a value is NaN."""
    values = np.sort(np.asarray(values, float), axis=axis)
    n = values.shape[axis]
    cut = int(0.25 * n)
    middle = np.take(values, np.arange(cut, n - cut), axis=axis).mean(axis=axis)
    # NaN is sorted last: it would be cut as if it were the highest
    return np.where(np.isnan(np.take(values, -1, axis=axis)), np.nan, middle)


def ci95(values, statistic=iqm, resamples: int = RESAMPLES) -> list[float] | None:
    """The 95 % percentile-bootstrap interval of a statistic over seeds; None for fewer than two
    seeds. The resampling is seeded, so the same values give the same interval."""
    return stratified_ci95(
        [np.asarray(values, float)], lambda strata: statistic(strata[0], axis=-1), resamples
    )


def stratified_ci95(
    strata: Strata, statistic: Callable[[Strata], np.ndarray], resamples: int = RESAMPLES
) -> list[float] | None:
    """`ci95` of a statistic over several environments; None if one of them has fewer than two runs.

    `statistic` maps a list of [..., run] arrays to [...].
    """
    if not _have_spread(strata):
        return None
    rng = np.random.default_rng(0)
    drawn = [runs[rng.integers(0, len(runs), (resamples, len(runs)))] for runs in strata]
    return _percentiles(statistic(drawn))


def estimate(strata: Strata, statistic: Callable[[Strata], np.ndarray]) -> Estimate:
    return Estimate(float(statistic(strata)), stratified_ci95(strata, statistic))


def mean_over_strata(strata: Strata) -> np.ndarray:
    """The mean of the environments' means."""
    return np.mean([np.mean(runs, axis=-1) for runs in strata], axis=0)


def median_over_strata(strata: Strata) -> np.ndarray:
    """The median of the environments' means."""
    return np.median([np.mean(runs, axis=-1) for runs in strata], axis=0)


def iqm_over_strata(strata: Strata) -> np.ndarray:
    """The interquartile mean of all runs, with the same total weight for each environment.

    With equal numbers of runs it is `iqm` of all runs.
    """
    values = np.concatenate(strata, axis=-1)
    weights = np.concatenate(
        [np.full(runs.shape[-1], 1 / (runs.shape[-1] * len(strata))) for runs in strata]
    )
    order = np.argsort(values, axis=-1)
    upper = np.cumsum(weights[order], axis=-1)
    cut = int(0.25 * len(weights)) / len(weights)
    inside = np.clip(np.minimum(upper, 1 - cut) - np.maximum(upper - weights[order], cut), 0, None)
    return np.sum(inside * np.take_along_axis(values, order, axis=-1), axis=-1) / inside.sum(
        axis=-1
    )


def probability_of_improvement(x: Strata, y: Strata) -> Estimate:
    """The probability that a run of X beats a run of Y in a random environment; a tie counts half.

        P(X > Y) = mean over environments of U / (n m),   U = sum_ij [x_i > y_j] + [x_i = y_j] / 2

    U is the Mann-Whitney statistic. Resampling the runs of both sides weighs the rows and columns
    of a fixed table of wins, so the interval costs two matrix products.
    """
    wins = [(a[:, None] > b) + 0.5 * (a[:, None] == b) for a, b in zip(x, y, strict=True)]
    value = float(np.mean([w.mean() for w in wins]))
    if not (_have_spread(x) and _have_spread(y)):
        return Estimate(value, None)
    rng = np.random.default_rng(0)
    drawn = [
        np.sum((_weights(rng, w.shape[0]) @ w) * _weights(rng, w.shape[1]), axis=1) for w in wins
    ]
    return Estimate(value, _percentiles(np.mean(drawn, axis=0)))


def performance_profile(strata: Strata, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The share of runs above each level, and its pointwise 95 % band [2, level] or None.

    F(tau) = mean over environments of the fraction of runs with a score > tau
    """
    above = [(runs[:, None] > levels).astype(float) for runs in strata]
    share = np.mean([a.mean(axis=0) for a in above], axis=0)
    if not _have_spread(strata):
        return share, None
    rng = np.random.default_rng(0)
    drawn = np.mean([_weights(rng, len(a)) @ a for a in above], axis=0)
    return share, np.percentile(drawn, [2.5, 97.5], axis=0)


def _weights(rng: np.random.Generator, n: int) -> np.ndarray:
    """[resample, run]: the share of draws that are each run."""
    return rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n


def _have_spread(strata: Strata) -> bool:
    return all(len(runs) > 1 and np.isfinite(runs).all() for runs in strata)


def _percentiles(values: np.ndarray) -> list[float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]
