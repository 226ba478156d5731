"""The numbers behind a report: returns made comparable, statistics with intervals, who is better than whom."""

from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from elsinore.host.comparison.references import Reference, reference_for
from elsinore.host.comparison.results import Result, Results
from elsinore.host.comparison.significance import holm, rank_p_value
from elsinore.host.statistics import (
    Estimate,
    Strata,
    estimate,
    iqm,
    iqm_over_strata,
    mean_over_strata,
    median_over_strata,
    probability_of_improvement,
)

STATISTICS = {"iqm": iqm, "mean": np.mean, "median": np.median}  # over the seeds of one environment
OVER_ENVS = {"iqm": iqm_over_strata, "mean": mean_over_strata, "median": median_over_strata}


class Pair(NamedTuple):
    """How likely a run of `x` beats one of `y`; `p_value` says whether chance alone could do it."""

    x: str
    y: str
    probability: Estimate
    p_value: float  # of `rank_p_value`, with Holm's correction for the number of pairs

    @property
    def is_clear(self) -> bool:
        """Whether the seeds tell the two apart: one half is outside the interval, and chance is an unlikely cause."""
        interval = self.probability.ci95
        return interval is not None and not interval[0] <= 0.5 <= interval[1] and self.p_value < 0.05


class Reach(NamedTuple):
    """How the seeds of a run got to a threshold; None where at most half of them did."""

    seeds: int
    reached: int
    env_steps: float | None  # of one seed, median
    seconds: float | None  # of training, all seeds side by side, median


class Scores:
    """What can be said of results."""

    def __init__(
        self, results: Results, thresholds: Mapping[str, float], references: Mapping[str, tuple[float, float]]
    ):
        self.results, self._thresholds, self._references = results, thresholds, references
        self.envs, self.labels = results.envs, results.labels

    @cached_property
    def shared_envs(self) -> list[str]:
        """Where every algorithm has a finished run: what is said over environments is of these."""
        return [env for env in self.envs if len(self.in_env(env)) == len(self.labels)]

    def in_env(self, env: str) -> list[Result]:
        found = (self.results.of(env, label) for label in self.labels)
        return [result for result in found if result is not None]

    def worst(self, env: str) -> float:
        """The lowest finite final return; a seed without a finite one counts as no better."""
        returns = np.concatenate([r.returns for r in self.in_env(env)])
        return float(np.min(returns[np.isfinite(returns)]))

    def returns(self, result: Result) -> np.ndarray:
        """[seed], final."""
        return np.where(np.isfinite(result.returns), result.returns, self.worst(result.env))

    def curve(self, result: Result) -> np.ndarray:
        """[seed, evaluation], while training."""
        return np.where(np.isfinite(result.curve), result.curve, self.worst(result.env))

    def over_seeds(self, result: Result, statistic: str) -> Estimate:
        function = STATISTICS[statistic]
        return estimate([self.returns(result)], lambda strata: function(strata[0], axis=-1))

    def fact(self, result: Result, name: str) -> Estimate:
        """The IQM over seeds of something that the world tells of the final evaluation; NaN where a seed's is not
        finite."""
        values = np.array([np.nan if x is None else x for x in result.facts[name]["per_seed"]], float)
        return estimate([values], lambda strata: iqm(strata[0], axis=-1))

    def reference(self, env: str) -> Reference:
        returns = np.concatenate([r.returns for r in self.in_env(env)])
        return reference_for(env, self._references.get(env), returns)

    def normalised(self, label: str) -> list[np.ndarray]:
        """[seed] of each shared environment: 0 and 1 are its references."""
        found = [(env, self.results.of(env, label)) for env in self.shared_envs]
        return [self.reference(env).normalised(self.returns(r)) for env, r in found if r is not None]

    def over_envs(self, label: str, statistic: str) -> Estimate:
        return estimate(self.normalised(label), OVER_ENVS[statistic])

    def pairs(self, env: str) -> list[Pair]:
        """Every two algorithms of an environment."""
        return _pairs({result.label: [self.returns(result)] for result in self.in_env(env)})

    def pairs_over_envs(self) -> list[Pair]:
        """Every two algorithms over the shared environments."""
        return _pairs({label: self.normalised(label) for label in self.labels})

    def threshold(self, env: str) -> float | None:
        """What was told, else the highest target that a run of the environment was configured with."""
        for name in (env, ""):
            if name in self._thresholds:
                return float(self._thresholds[name])
        targets = [r.experiment.convergence.target for r in self.in_env(env)]
        return max((t for t in targets if t is not None), default=None)

    def reach(self, result: Result) -> Reach | None:
        """When each seed's evaluations were first at the threshold; None where there is none."""
        threshold = self.threshold(result.env)
        if threshold is None:
            return None
        if not len(result.steps):
            return Reach(result.seeds, 0, None, None)
        above = self.curve(result) >= threshold
        first = np.where(above.any(axis=1), above.argmax(axis=1), -1)
        steps, seconds = (np.median(np.where(first >= 0, x[first], np.inf)) for x in (result.steps, result.seconds))
        return Reach(len(first), int(np.sum(first >= 0)), _finite(steps), _finite(seconds))


def _pairs(runs: Mapping[str, Strata]) -> list[Pair]:
    """Of each two, the one with the higher chance first."""
    both = list(combinations(runs, 2))
    p_values = holm([rank_p_value(runs[a], runs[b]) for a, b in both])
    found = [(a, b, probability_of_improvement(runs[a], runs[b]), p) for (a, b), p in zip(both, p_values, strict=True)]
    return [
        Pair(a, b, chance, p) if chance.value >= 0.5 else Pair(b, a, probability_of_improvement(runs[b], runs[a]), p)
        for a, b, chance, p in found
    ]


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None
