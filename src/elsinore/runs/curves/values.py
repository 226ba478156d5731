"""Values of metrics over a run, for each seed and as means."""

import numpy as np

from elsinore.errors import ConfigError
from elsinore.runs.records import EPISODE_COUNT, Row

MOST_VALUES = 2**27  # of all seeds at all updates: a GiB


def by_seed(rows: list[Row], name: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """(updates, values) of one metric for each seed."""
    found: dict[int, list[tuple[int, float]]] = {}
    for row in rows:
        if row.name == name:
            found.setdefault(row.seed, []).append((row.update, row.value))
    return {
        seed: (np.array([u for u, _ in pairs]), np.array([v for _, v in pairs]))
        for seed, pairs in found.items()
    }


def values_by_seed(rows: list[Row], name: str) -> tuple[np.ndarray, np.ndarray]:
    """(updates, values [seed, update]); a frozen seed keeps its last value.

    Raises:
        ConfigError: for rows of more seeds and updates than fit, as no run writes them.
    """
    curves = by_seed(rows, name)
    if not curves:
        return np.array([]), np.zeros((0, 0))
    updates = np.unique(np.concatenate([u for u, _ in curves.values()]))
    if len(curves) * len(updates) > MOST_VALUES:
        raise ConfigError(
            f"{name} has values of {len(curves):,} seeds at {len(updates):,} updates in all, which"
            f" are too many to compare: at most {MOST_VALUES:,} together."
        )
    values = np.full((len(curves), len(updates)), np.nan)
    for i, (at, value) in enumerate(curves.values()):
        index = np.searchsorted(at, updates, side="right") - 1
        values[i] = np.where(index >= 0, value[np.maximum(index, 0)], np.nan)
    return updates, values


def learning_values(rows: list[Row], name: str) -> tuple[np.ndarray, np.ndarray]:
    """As `values_by_seed`, for metrics of learning: a seed has none after it has stopped."""
    updates, values = values_by_seed(rows, name)
    counts = by_seed(rows, EPISODE_COUNT)
    for seed, own in zip(by_seed(rows, name), values, strict=True):
        if seed in counts:
            own[updates > counts[seed][0][-1]] = np.nan
    return updates, values


def mean_of(values: np.ndarray) -> np.ndarray:
    """The mean over seeds of the finite values, or NaN."""
    finite = np.isfinite(values)
    return np.where(finite, values, 0.0).sum(axis=0) / np.where(
        finite.any(axis=0), finite.sum(axis=0), np.nan
    )


def smoothed(values: np.ndarray, weight: float = 0.8) -> np.ndarray:
    """An exponential moving average, without bias at the start, that skips what is not finite and
    ends with the last value that is."""
    out, total, mass = np.full(len(values), np.nan), 0.0, 0.0
    finite = np.isfinite(values)
    for i in range(max(np.flatnonzero(finite), default=-1) + 1):
        if finite[i]:
            total, mass = weight * total + (1 - weight) * values[i], weight * mass + (1 - weight)
        out[i] = total / mass if mass else np.nan
    return out
