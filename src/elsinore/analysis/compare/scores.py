"""Statistics of a comparison: returns, normalised returns, pairwise tests, time to a threshold."""

from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from elsinore.analysis.compare.results import RunResult, RunResults
from elsinore.analysis.compare.significance import holm, rank_p_value
from elsinore.analysis.compare.thresholds import Reference, reference_for
from elsinore.runs.statistics import (
    Estimate,
    Strata,
    estimate,
    iqm,
    iqm_over_strata,
    mean_over_strata,
    median_over_strata,
    probability_of_improvement,
)

SEED_STATISTICS = {
    "iqm": iqm,
    "mean": np.mean,
    "median": np.median,
}  # over the seeds of one environment
ENV_STATISTICS = {"iqm": iqm_over_strata, "mean": mean_over_strata, "median": median_over_strata}


class Pair(NamedTuple):
    """Probability that a run of `x` beats one of `y`, and its significance."""

    x: str
    y: str
    probability: Estimate
    p_value: float  # of `rank_p_value`, with Holm's correction for the number of pairs

    @property
    def is_clear(self) -> bool:
        """True if the interval excludes 0.5 and p < 0.05."""
        interval = self.probability.ci95
        return (
            interval is not None and not interval[0] <= 0.5 <= interval[1] and self.p_value < 0.05
        )


class TimeToThreshold(NamedTuple):
    """Time at which the seeds of a run reach a threshold; None if at most half of them do."""

    seeds: int
    reached: int
    env_steps: float | None  # of one seed, median
    seconds: float | None  # of training, of all seeds together, median


class Scores:
    """Statistics of a comparison's runs."""

    def __init__(
        self,
        results: RunResults,
        thresholds: Mapping[str, float],
        references: Mapping[str, tuple[float, float]],
    ):
        self.results, self._thresholds, self._references = results, thresholds, references
        self.envs, self.labels = results.envs, results.labels

    @cached_property
    def shared_envs(self) -> list[str]:
        """Environments with a run of every algorithm; aggregates cover only these."""
        return [env for env in self.envs if len(self.in_env(env)) == len(self.labels)]

    def in_env(self, env: str) -> list[RunResult]:
        found = (self.results.of(env, label) for label in self.labels)
        return [result for result in found if result is not None]

    def worst(self, env: str) -> float:
        """Lowest finite final return; stands in for returns that are not finite."""
        returns = np.concatenate([r.returns for r in self.in_env(env)])
        return float(np.min(returns[np.isfinite(returns)]))

    def returns(self, result: RunResult) -> np.ndarray:
        """Final returns, [seed]."""
        return np.where(np.isfinite(result.returns), result.returns, self.worst(result.env))

    def curve(self, result: RunResult) -> np.ndarray:
        """Evaluation returns during training, [seed, evaluation]."""
        return np.where(np.isfinite(result.curve), result.curve, self.worst(result.env))

    def over_seeds(self, result: RunResult, statistic: str) -> Estimate:
        function = SEED_STATISTICS[statistic]
        return estimate([self.returns(result)], lambda strata: function(strata[0], axis=-1))

    def episode_stat(self, result: RunResult, name: str) -> Estimate:
        """IQM over seeds of an episode statistic; NaN if a seed's value is not finite."""
        values = np.array(result.episode_stats[name]["per_seed"], float)
        return estimate([values], lambda strata: iqm(strata[0], axis=-1))

    def over_seeds_of_agents(self, result: RunResult) -> dict[str, Estimate]:
        """IQM over seeds of the returns of each of several agents; NaN if a seed's is not
        finite."""
        return {
            name: estimate([returns], lambda strata: iqm(strata[0], axis=-1))
            for name, returns in result.agent_returns.items()
        }

    def reference(self, env: str) -> Reference:
        results = self.in_env(env)
        returns = np.concatenate([r.returns for r in results])
        changed = any(r.env_settings or r.on_stage for r in results)
        return reference_for(env, self._references.get(env), returns, changed)

    def normalised(self, label: str) -> list[np.ndarray]:
        """Normalised returns, [seed] for each shared environment."""
        found = [(env, self.results.of(env, label)) for env in self.shared_envs]
        return [
            self.reference(env).normalised(self.returns(r)) for env, r in found if r is not None
        ]

    def over_envs(self, label: str, statistic: str) -> Estimate:
        return estimate(self.normalised(label), ENV_STATISTICS[statistic])

    def pairs(self, env: str) -> list[Pair]:
        """Every pair of algorithms in an environment."""
        return _pairs({result.label: [self.returns(result)] for result in self.in_env(env)})

    def pairs_over_envs(self) -> list[Pair]:
        """Every pair of algorithms over the shared environments."""
        return _pairs({label: self.normalised(label) for label in self.labels})

    def threshold(self, env: str) -> float | None:
        """The given threshold, or else the highest `convergence.target` of the environment."""
        for name in (env, ""):
            if name in self._thresholds:
                return float(self._thresholds[name])
        targets = [r.experiment.convergence.target for r in self.in_env(env)]
        return max((t for t in targets if t is not None), default=None)

    def time_to_threshold(self, result: RunResult) -> TimeToThreshold | None:
        """Median time of the first evaluation at or above the threshold; None without one."""
        threshold = self.threshold(result.env)
        if threshold is None:
            return None
        if not len(result.steps):
            return TimeToThreshold(result.seeds, 0, None, None)
        above = np.isfinite(result.curve) & (result.curve >= threshold)
        first = np.where(above.any(axis=1), above.argmax(axis=1), -1)
        steps, seconds = (
            np.median(np.where(first >= 0, x[first], np.inf))
            for x in (result.steps, result.seconds)
        )
        return TimeToThreshold(
            len(first), int(np.sum(first >= 0)), _finite(steps), _finite(seconds)
        )


def _pairs(runs: Mapping[str, Strata]) -> list[Pair]:
    """All pairs; the algorithm with the higher probability of improvement comes first."""
    both = list(combinations(runs, 2))
    p_values = holm([rank_p_value(runs[a], runs[b]) for a, b in both])
    pairs = []
    for (a, b), p_value in zip(both, p_values, strict=True):
        probability = probability_of_improvement(runs[a], runs[b])
        if probability.value < 0.5:
            a, b, probability = b, a, probability_of_improvement(runs[b], runs[a])
        pairs.append(Pair(a, b, probability, p_value))
    return pairs


def _finite(x: float) -> float | None:
    return float(x) if np.isfinite(x) else None


def _with_ends(found: Estimate) -> tuple[float, float, float]:
    """An estimate and the ends of its interval; NaN without one."""
    low, high = found.ci95 or (float("nan"), float("nan"))
    return found.value, low, high


def scores_table(scores: Scores):
    """Pandas table with one row per environment and algorithm; columns `_low` and `_high` are 95 %
    intervals, NaN for a single seed."""
    import pandas as pd

    return pd.DataFrame([_row(scores, r) for env in scores.envs for r in scores.in_env(env)])


def pairs_table(scores: Scores):
    """Pandas table with one row per environment and pair of algorithms; those over all shared
    environments, where there are several, have an empty `env`."""
    import pandas as pd

    found = {env: scores.pairs(env) for env in scores.envs}
    if len(scores.shared_envs) > 1:
        found |= {"": scores.pairs_over_envs()}
    columns = ["env", "first", "second", "probability", "low", "high", "p", "clear"]
    rows = [
        (env, pair.x, pair.y, *_with_ends(pair.probability), pair.p_value, pair.is_clear)
        for env, pairs in found.items()
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=columns)


def _row(scores: Scores, result: RunResult) -> dict:
    row = {
        "env": result.env,
        "label": result.label,
        "algo": result.algo,
        "seeds": result.seeds,
        "env_steps": result.budget,
    }
    for name in SEED_STATISTICS:
        columns = (name, f"{name}_low", f"{name}_high")
        row |= dict(zip(columns, _with_ends(scores.over_seeds(result, name)), strict=True))
    reached = scores.time_to_threshold(result)
    row |= {
        "threshold": scores.threshold(result.env),
        "reached": reached and reached.reached,
        "env_steps_to_threshold": reached and reached.env_steps,
        "seconds_to_threshold": reached and reached.seconds,
    }
    clock = ("steps_per_second", "compile_seconds", "train_seconds")
    return row | {name: result.summary[name] for name in clock} | {"path": str(result.path)}
