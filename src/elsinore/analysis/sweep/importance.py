"""Importance of each setting for the score of a trial."""

import warnings

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
    correlation. Failed trials are left out; a pruned trial counts with its last score.
    """
    scored = [result for result in results if result.score is not None]
    try:
        method, values = FANOVA, _fanova(sweep, scored)
    except Exception:  # not installed, or too few trials for its trees
        method, values = RANK_CORRELATION, _rank_correlation(sweep, scored)
    return method, dict(sorted(values.items(), key=lambda item: -item[1]))


def _fanova(sweep: Sweep, results: list[TrialResult]) -> dict[str, float]:
    optuna = import_optuna("fANOVA")
    if len({result.score for result in results}) < 2:
        raise ValueError("no variance to share out")
    study = optuna.create_study()
    drawn_from = distributions(optuna, sweep.space)
    for result in results:
        params = {n: _as_drawn(result.settings[n], span) for n, span in sweep.space.items()}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=drawn_from, value=result.score)
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


def _rank_correlation(sweep: Sweep, results: list[TrialResult]) -> dict[str, float]:
    scores = [result.score for result in results]
    values = {}
    for name, span in sweep.space.items():
        units = [span.unit_of(result.settings[name]) for result in results]
        some = len(set(units)) > 1 and len(set(scores)) > 1
        values[name] = abs(float(spearmanr(units, scores).statistic)) if some else 0.0
    return values
