"""Could chance alone have done it? Asked so that few seeds cannot prove what few seeds cannot prove."""

from itertools import combinations
from math import comb

import numpy as np

from elsinore.host.statistics import Strata

EXACT_UP_TO = 20_000  # ways to deal the runs to two sides: 8 against 8 is 12,870
DEALS = 9_999


def rank_p_value(x: Strata, y: Strata) -> float:
    """Two-sided Mann-Whitney, over one environment or several of the same weight: how often runs dealt to the two
    sides at random, within each environment, are at least so far apart.

    In one environment with few runs every deal is tried: of three seeds against three the smallest p is 0.1,
    whatever they came to. Otherwise 9,999 seeded deals stand for all, and ties need no correction.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(np.concatenate(both)) for both in zip(x, y, strict=True)]
    scale = [len(a) * len(b) for a, b in zip(x, y, strict=True)]
    found = sum(_lead(r[: len(a)], r) / s for r, a, s in zip(ranks, x, scale, strict=True))
    if len(x) == 1 and comb(len(ranks[0]), len(x[0])) <= EXACT_UP_TO:
        dealt = _lead(ranks[0][list(combinations(range(len(ranks[0])), len(x[0])))], ranks[0]) / scale[0]
        return float(np.mean(np.abs(dealt) >= abs(found) - 1e-9))
    rng = np.random.default_rng(0)
    dealt = sum(
        _lead(rng.permuted(np.tile(r, (DEALS, 1)), axis=1)[:, : len(a)], r) / s
        for r, a, s in zip(ranks, x, scale, strict=True)
    )
    return float((1 + np.sum(np.abs(dealt) >= abs(found) - 1e-9)) / (1 + DEALS))


def _lead(side: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """How far one side's rank sum is from what chance would give it: the Mann-Whitney U without its mean."""
    return np.sum(side, axis=-1) - side.shape[-1] * ranks.mean()


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down correction: as sure of all of several tests as one would be of a single one.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - rank) * p_values[i])
        adjusted[i] = min(largest, 1.0)
    return adjusted
