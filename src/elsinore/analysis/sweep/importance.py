"""Importance of each setting for the score of a trial."""

import warnings
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from elsinore.analysis.sweep.results import TrialResult
from elsinore.analysis.sweep.samplers import distributions, import_optuna
from elsinore.config.search import Sweep
from elsinore.config.search_space import OneOf

FANOVA = "fANOVA (Hutter 2014), by Optuna: the share of the score's variance"
RANK_CORRELATION = "absolute value of Spearman's rank correlation with the score"


def setting_importance(sweep: Sweep, results: list[TrialResult]) -> tuple[str, dict[str, float]]:
    """(method, setting -> importance), largest first.

    fANOVA if Optuna and scikit-learn are installed and there are enough trials, else rank
    correlation. Failed trials are left out. The score of a pruned trial is that of its pruning, so
    with pruned trials ranks take the place of scores: below those that were trained longer.
    """
    kept = [result for result in results if result.score is not None]
    ranks = any(result.state == "pruned" for result in kept)
    scores = _ranks(kept, sweep.config.mode) if ranks else [result.score or 0.0 for result in kept]
    try:
        method, values = FANOVA, _fanova(sweep, kept, scores)
    except Exception:  # not installed, or too few trials for its trees
        method, values = RANK_CORRELATION, _rank_correlation(sweep, kept, scores)
    method = method.replace("the score", "the rank") if ranks else method
    return method, dict(sorted(values.items(), key=lambda item: -item[1]))


def _ranks(results: list[TrialResult], mode: str) -> list[float]:
    """The rank of each trial, from the worst: by the length of its training if it was pruned, then
    by its score; equal ones have one rank."""
    sign = 1.0 if mode == "max" else -1.0
    keys = [
        (result.env_steps if result.state == "pruned" else np.inf, sign * (result.score or 0.0))
        for result in results
    ]
    order = {key: float(rank) for rank, key in enumerate(sorted(set(keys)))}
    return [order[key] for key in keys]


def _fanova(sweep: Sweep, results: list[TrialResult], scores: list[float]) -> dict[str, float]:
    optuna = import_optuna("fANOVA")
    if len(set(scores)) < 2:
        raise ValueError("no variance to share out")
    study = optuna.create_study()
    drawn_from = distributions(optuna, sweep.space)
    for result, score in zip(results, scores, strict=True):
        params = {n: _as_drawn(result.settings[n], span) for n, span in sweep.space.items()}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=drawn_from, value=score)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    values = {name: float(found.get(name, 0.0)) for name in sweep.space}
    if not all(map(np.isfinite, values.values())):
        raise ValueError("no variance to share out")
    return values


def _as_drawn(value, span):
    if isinstance(span, OneOf):
        return span.values.index(value)
    # numbers that evolved are steps of float32, which the ends of a range need not be
    return min(max(value, span.low), span.high)


def _rank_correlation(
    sweep: Sweep, results: list[TrialResult], scores: list[float]
) -> dict[str, float]:
    values = {}
    for name, span in sweep.space.items():
        units = [span.unit_of(result.settings[name]) for result in results]
        some = len(set(units)) > 1 and len(set(scores)) > 1
        found: Any = spearmanr(units, scores) if some else None
        values[name] = abs(float(found.statistic)) if some else 0.0
    return values
