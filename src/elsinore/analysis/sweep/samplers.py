"""Samplers of trials, with an ask-and-tell interface."""

import warnings
from collections.abc import Sequence
from typing import Protocol

from elsinore.analysis.sweep.results import TrialResult
from elsinore.config.search import Sweep, SweepTrial, trials_of
from elsinore.config.search_space import OneOf, Space
from elsinore.errors import ConfigError


class Sampler(Protocol):
    def ask(self, num: int) -> list[SweepTrial]:
        """At most `num` trials; none at the end."""
        ...

    def tell(self, results: Sequence[TrialResult]) -> None:
        """Report the results of the trials of the last `ask`."""


class FixedSampler:
    """A list of trials known in advance."""

    def __init__(self, trials: list[SweepTrial]):
        self._trials, self._asked = trials, 0

    def ask(self, num: int) -> list[SweepTrial]:
        asked = self._trials[self._asked : self._asked + num]
        self._asked += len(asked)
        return asked

    def tell(self, results: Sequence[TrialResult]) -> None:
        pass


class OptunaSampler:
    """The tree-structured Parzen estimator (Bergstra 2011), seeded and deterministic."""

    def __init__(self, space: Space, num_trials: int, seed: int, mode: str):
        optuna = import_optuna("sampler: optuna")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is experimental in some versions
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(
            direction="maximize" if mode == "max" else "minimize", sampler=sampler
        )
        self._states = optuna.trial.TrialState
        self._left, self._open = num_trials, {}
        self._space, self._distributions = space, distributions(optuna, space)

    def ask(self, num: int) -> list[SweepTrial]:
        asked = [self._study.ask(self._distributions) for _ in range(min(num, self._left))]
        self._left -= len(asked)
        self._open |= {trial.number: trial for trial in asked}
        return [SweepTrial(trial.number, settings_of(trial.params, self._space)) for trial in asked]

    def tell(self, results: Sequence[TrialResult]) -> None:
        for result in results:
            trial = self._open.pop(result.trial)
            if result.score is None:
                self._study.tell(trial, state=self._states.FAIL)
            elif result.is_whole:
                self._study.tell(trial, result.score)
            else:  # pruned: its score is after less training
                trial.report(result.score, result.env_steps)
                self._study.tell(trial, state=self._states.PRUNED)


def sampler_for(sweep: Sweep) -> Sampler:
    """Build the sampler that the config names."""
    if sweep.config.sampler == "optuna":
        return OptunaSampler(
            sweep.space, sweep.num_trials, sweep.experiment.seed, sweep.config.mode
        )
    return FixedSampler(trials_of(sweep))


def import_optuna(what: str):
    """Import Optuna for `what`.

    Raises:
        ConfigError: if Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(
            f"{what} needs Optuna; install `elsinore[sweep]`, or choose sampler: random."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def distributions(optuna, space: Space) -> dict:
    """Optuna distributions of a space; a choice is an index, as Optuna takes only plain values."""
    found = {}
    for name, span in space.items():
        if isinstance(span, OneOf):
            found[name] = optuna.distributions.CategoricalDistribution(
                list(range(len(span.values)))
            )
        elif span.kind == "int":
            found[name] = optuna.distributions.IntDistribution(int(span.low), int(span.high))
        else:
            found[name] = optuna.distributions.FloatDistribution(
                span.low, span.high, log=span.kind == "log"
            )
    return found


def settings_of(params: dict, space: Space) -> dict:
    """Settings of a trial from Optuna's parameters."""
    spans = ((name, span, params[name]) for name, span in space.items())
    return {name: span.values[x] if isinstance(span, OneOf) else x for name, span, x in spans}
