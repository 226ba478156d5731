"""Means over seeds, as sinks show them from update to update.

A seed that has stopped counts in evaluations with its newest, since its policy is what it was, and
in no other metric. Of a population the seeds of its best member count.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping

import numpy as np

from elsinore.runs.members import best_in, members_in
from elsinore.runs.records import Row, is_evaluation
from elsinore.runs.store.store import Store


class SeedMeans:
    """The means over seeds after the rows that were added; `counted` gives the seeds that count by
    the newest evaluation of each, None counts all."""

    def __init__(self, counted: Callable[[Mapping[int, float]], Container[int]] | None = None):
        self._counted = counted
        self._newest: dict[str, dict[int, float]] = {}  # evaluations, by metric and seed

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if is_evaluation(row.name):
                self._newest.setdefault(metric_of(row), {})[row.seed] = row.value

    def of(self, metric: str, values: Mapping[int, float]) -> float | None:
        """The mean of a metric from its new values by seed; None without one of a seed that counts.
        Evaluations that are not finite are in no mean, unless all are."""
        if not values:
            return None
        if metric in self._newest:
            values = self._newest[metric] | dict(values)
            values = {seed: x for seed, x in values.items() if math.isfinite(x)} or values
        newest = self._newest.get("eval/return", {})
        counted = values if self._counted is None else self._counted(newest)
        known = [values[seed] for seed in sorted(values) if seed in counted]
        return float(np.mean(known)) if known else None


class StoredSeedMeans:
    """The means over seeds of a run in a store, whose evaluations are read once."""

    def __init__(self, store: Store):
        self._store, self._update, self._means = store, -1, None

    def at(self, update: int) -> SeedMeans:
        """The means after this update."""
        if self._means is None or update < self._update:  # what could not be sent is read again
            info = self._store.info()
            in_population = len(members_in(info)) > 1
            counted = (lambda newest: best_in(info, newest)) if in_population else None
            self._update, self._means = -1, SeedMeans(counted)
        self._means.add(self._store.evaluations(self._update, update))
        self._update = update
        return self._means


def metric_of(row: Row) -> str:
    """The name of a row's metric, which begins with the agent where there are several."""
    return f"{row.agent}/{row.name}" if row.agent else row.name


def by_metric(rows: Iterable[Row]) -> dict[str, dict[int, float]]:
    """The mean of each metric's values for each seed, metrics and seeds in their order."""
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        values[metric_of(row)][row.seed].append(row.value)
    return {
        name: {seed: float(np.mean(found)) for seed, found in sorted(by_seed.items())}
        for name, by_seed in sorted(values.items())
    }
