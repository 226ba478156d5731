"""Who says which trials come next, from what came of those before."""

import warnings
from collections.abc import Sequence
from typing import Protocol

from elsinore.config.build import ConfigError
from elsinore.config.space import Choice, Space
from elsinore.config.sweep import Sweep, Trial, trials_of
from elsinore.host.sweep.results import Result


class Sampler(Protocol):
    def ask(self, num: int) -> list[Trial]:
        """At most `num` trials; none when there are no more."""
        ...

    def tell(self, results: Sequence[Result]) -> None:
        """What came of the trials that were asked for last."""


class Listed:
    """Trials that are known from the beginning."""

    def __init__(self, trials: list[Trial]):
        self._trials, self._asked = trials, 0

    def ask(self, num: int) -> list[Trial]:
        asked = self._trials[self._asked : self._asked + num]
        self._asked += len(asked)
        return asked

    def tell(self, results: Sequence[Result]) -> None:
        pass


class Optuna:
    """The tree-structured Parzen estimator (Bergstra 2011), seeded: told the same, it asks the same."""

    def __init__(self, space: Space, num_trials: int, seed: int, mode: str):
        optuna = import_optuna("sampler: optuna")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is called experimental in some versions
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize" if mode == "max" else "minimize", sampler=sampler)
        self._states = optuna.trial.TrialState
        self._left, self._open = num_trials, {}
        self._space, self._distributions = space, distributions(optuna, space)

    def ask(self, num: int) -> list[Trial]:
        asked = [self._study.ask(self._distributions) for _ in range(min(num, self._left))]
        self._left -= len(asked)
        self._open |= {trial.number: trial for trial in asked}
        return [Trial(trial.number, settings_of(trial.params, self._space)) for trial in asked]

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            trial = self._open.pop(result.trial)
            if result.score is None:
                self._study.tell(trial, state=self._states.FAIL)
            elif result.is_whole:
                self._study.tell(trial, result.score)
            else:  # its score is of less training than the others had
                trial.report(result.score, result.env_steps)
                self._study.tell(trial, state=self._states.PRUNED)


def sampler_for(sweep: Sweep) -> Sampler:
    """The sampler that the config names, at its beginning."""
    if sweep.config.sampler == "optuna":
        return Optuna(sweep.space, sweep.num_trials, sweep.experiment.seed, sweep.config.mode)
    return Listed(trials_of(sweep))


def import_optuna(what: str):
    """Raises:
    ConfigError: where Optuna is not installed."""
    try:
        import optuna
    except ImportError as error:
        raise ConfigError(f"{what} needs Optuna; install `elsinore[sweep]`, or choose sampler: random.") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def distributions(optuna, space: Space) -> dict:
    """Ranges as Optuna has them; a choice is the index of its value, for Optuna takes only plain ones."""
    found = {}
    for name, span in space.items():
        if isinstance(span, Choice):
            found[name] = optuna.distributions.CategoricalDistribution(list(range(len(span.values))))
        elif span.kind == "int":
            found[name] = optuna.distributions.IntDistribution(int(span.low), int(span.high))
        else:
            found[name] = optuna.distributions.FloatDistribution(span.low, span.high, log=span.kind == "log")
    return found


def settings_of(params: dict, space: Space) -> dict:
    """What Optuna drew, as settings."""
    spans = ((name, span, params[name]) for name, span in space.items())
    return {name: span.values[x] if isinstance(span, Choice) else x for name, span, x in spans}
