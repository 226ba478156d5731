"""Significance: a permutation rank test that is exact for few seeds, and Holm's correction."""

from itertools import combinations
from math import comb

import numpy as np

from elsinore.runs.statistics import Strata

EXACT_UP_TO = 20_000  # permutations: 8 runs against 8 have 12,870
PERMUTATIONS = 9_999


def rank_p_value(x: Strata, y: Strata) -> float:
    """P-value of a two-sided Mann-Whitney permutation test, stratified by environment.

    Environments have equal weight; runs are permuted within each. In one environment with few
    runs the test is exact: three seeds against three give p >= 0.1. Otherwise it samples 9,999
    permutations with a fixed seed. Ties need no correction.
    """
    from scipy.stats import rankdata

    ranks = [rankdata(np.concatenate(both)) for both in zip(x, y, strict=True)]
    scale = [len(a) * len(b) for a, b in zip(x, y, strict=True)]
    found = sum(_centred_u(r[: len(a)], r) / s for r, a, s in zip(ranks, x, scale, strict=True))
    if len(x) == 1 and comb(len(ranks[0]), len(x[0])) <= EXACT_UP_TO:
        sides = list(combinations(range(len(ranks[0])), len(x[0])))
        permuted = _centred_u(ranks[0][sides], ranks[0]) / scale[0]
        return float(np.mean(np.abs(permuted) >= abs(found) - 1e-9))
    rng = np.random.default_rng(0)
    permuted = sum(
        _centred_u(rng.permuted(np.tile(r, (PERMUTATIONS, 1)), axis=1)[:, : len(a)], r) / s
        for r, a, s in zip(ranks, x, scale, strict=True)
    )
    return float((1 + np.sum(np.abs(permuted) >= abs(found) - 1e-9)) / (1 + PERMUTATIONS))


def _centred_u(side: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The Mann-Whitney U statistic minus its mean under the null hypothesis."""
    return np.sum(side, axis=-1) - side.shape[-1] * ranks.mean()


def holm(p_values: list[float]) -> list[float]:
    """Adjust p-values by Holm's step-down correction, which controls the family-wise error rate.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, (len(p_values) - rank) * p_values[i])
        adjusted[i] = min(largest, 1.0)
    return adjusted
