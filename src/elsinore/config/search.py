"""A sweep as data: its search space, its sampler, and the runs that train its trials.

Trials that differ only in traced numbers are members of one population: one run and one compile.
Any other setting starts a new group.
"""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from elsinore.config.experiment import MAX_MEMBERS, SCORES, Experiment
from elsinore.config.load import (
    with_settings,
)
from elsinore.config.parse import as_dict
from elsinore.config.population import is_traced
from elsinore.config.search_space import Space
from elsinore.config_records import record
from elsinore.errors import ConfigError
from elsinore.training.halving import HalvingConfig
from elsinore.training.population import PBTConfig
from elsinore.validation import at_least, one_of

SPACE = "sweep.space"
SAMPLERS = ("random", "grid", "optuna", "pbt")
OPTUNA_BATCH = 16  # trials that Optuna proposes at a time, by default
MAX_TRIALS = 10_000  # all of which are checked before the first is trained


@record
class SweepConfig:
    """A search over settings; each trial is trained with every seed of the experiment."""

    # A range or a choice for each setting, such as {"algo.gamma": {"uniform": [0.9, 0.999]}}.
    space: dict[str, Any] = field(default_factory=dict)
    trials: int | None = None  # The number of trials; null runs 64, or the whole grid.
    # random | grid | optuna | pbt: how trials are chosen.
    sampler: str = "random"
    # The objective: eval/return of the final evaluation, or the last training value of another.
    metric: str = "eval/return"
    mode: str = "max"  # max | min: whether a higher or a lower metric is better.
    # Trials that are sampled and trained together; null takes all, or 16 with optuna.
    batch: int | None = None
    split: int | None = None  # Trials of a run at most; null trains a whole group as one run.
    halving: HalvingConfig | None = None  # Successive halving: freeze the worse trials early.
    pbt: PBTConfig | None = None  # Settings of the sampler pbt.

    def __post_init__(self) -> None:
        one_of(self, "sampler", *SAMPLERS)
        one_of(self, "metric", *SCORES)
        one_of(self, "mode", "max", "min")
        at_least(self, 1, "trials", null="runs 64, or the whole grid")
        if self.trials is not None and self.trials > MAX_TRIALS:
            raise ValueError(f"trials={self.trials} must be at most {MAX_TRIALS:,}.")
        at_least(self, 1, "batch", null="takes all, or 16 with optuna")
        at_least(self, 1, "split")
        early = "halving" if self.halving is not None else "pbt" if self.sampler == "pbt" else None
        if early and self.metric != "eval/return":
            raise ValueError(
                f"metric={self.metric!r} cannot be used with {early}, which compares eval/return;"
                " remove one of them."
            )
        if early and self.split is not None:
            raise ValueError(
                f"split={self.split} cannot be set with {early}, which compares the trials of a"
                " run; remove it."
            )
        if self.pbt is not None and self.sampler != "pbt":
            raise ValueError(f"pbt is set and sampler={self.sampler!r}; set sweep.sampler: pbt.")
        if self.sampler == "pbt" and self.halving is not None:
            raise ValueError(
                "halving cannot be set with sampler: pbt, which keeps all its members; remove it."
            )
        if self.sampler == "pbt" and self.batch is not None:
            raise ValueError(
                f"batch={self.batch} cannot be set with sampler: pbt, whose trials are one"
                " population; remove it."
            )


class SweepTrial(NamedTuple):
    """One point of the search space."""

    number: int
    settings: dict[str, Any]  # by dotted name


class TrialGroup(NamedTuple):
    """Trials of one compile signature, trained as one run."""

    experiment: Experiment
    trials: tuple[SweepTrial, ...]
    members: tuple[int, ...]  # each trial's member in `experiment.vary`; equal trials share one


@dataclass(frozen=True)
class Sweep:
    """A sweep whose settings were checked."""

    experiment: Experiment  # the settings that all trials share
    config: SweepConfig
    space: Space

    def as_dict(self) -> dict[str, Any]:
        """Plain data for `load_sweep`."""
        return as_dict(self.experiment) | {"sweep": as_dict(self.config)}

    @property
    def num_trials(self) -> int:
        return self.config.trials or (
            size_of_grid(self.space) if self.config.sampler == "grid" else 64
        )

    @property
    def compares_members(self) -> bool:
        """True if a run selects among its trials, so that they cannot be split into several."""
        return self.config.halving is not None or self.config.sampler == "pbt"

    @property
    def batch(self) -> int:
        """The number of trials that are sampled together."""
        return self.config.batch or (
            OPTUNA_BATCH if self.config.sampler == "optuna" else self.num_trials
        )

    def experiment_of(self, settings: Mapping[str, Any]) -> Experiment:
        """The experiment of one trial.

        Raises:
            ConfigError: for settings that cannot be run, or whose score cannot be compared.
        """
        experiment = with_settings(self.experiment, settings)
        if experiment.evaluates_stages:
            raise ConfigError(
                "curriculum.evaluate_on='stage' evaluates each trial of a sweep at the stage that"
                " it has reached, so their scores cannot be compared; use target."
            )
        return experiment


def random_trials(space: Space, seed: int, num: int) -> list[SweepTrial]:
    """Draw `num` trials; trial t does not depend on `num`."""

    def draw(number: int) -> dict[str, Any]:
        units = np.random.default_rng((seed, number)).random(len(space))
        return {
            name: span.at(float(unit))
            for (name, span), unit in zip(space.items(), units, strict=True)
        }

    return [SweepTrial(number, draw(number)) for number in range(num)]


def grid_of(space: Space) -> list[SweepTrial]:
    """All combinations of the settings' grids; the last setting changes fastest."""
    values = itertools.product(*(span.grid() for span in space.values()))
    return [
        SweepTrial(i, dict(zip(space, combination, strict=True)))
        for i, combination in enumerate(values)
    ]


def size_of_grid(space: Space) -> int:
    """The number of combinations of the settings' grids."""
    return math.prod(len(span.grid()) for span in space.values())


def trials_of(sweep: Sweep) -> list[SweepTrial]:
    """All trials of a sampler other than optuna."""
    if sweep.config.sampler == "grid":
        return grid_of(sweep.space)
    return random_trials(sweep.space, sweep.experiment.seed, sweep.num_trials)


def trial_groups(sweep: Sweep, trials: list[SweepTrial]) -> list[TrialGroup]:
    """The groups of these trials, one for each compile signature or more by `split`, in the order
    of their first trials.

    Raises:
        ConfigError: for a trial that cannot be run.
    """
    groups: dict[str, tuple[dict[str, Any], list[SweepTrial]]] = {}
    for trial in trials:
        fixed = {
            name: value
            for name, value in trial.settings.items()
            if not is_traced(name, value, sweep.experiment)
        }
        groups.setdefault(json.dumps(fixed, sort_keys=True), (fixed, []))[1].append(trial)
    size = min(sweep.config.split or MAX_MEMBERS, MAX_MEMBERS)
    largest = max((len(found) for _, found in groups.values()), default=0)
    if sweep.compares_members and largest > size:
        raise ConfigError(
            f"sweep.trials={sweep.num_trials}: {largest} would be compared in one run, in which at"
            f" most {MAX_MEMBERS} can train side by side; use fewer trials, or with halving"
            f" sweep.batch={MAX_MEMBERS}."
        )
    return [
        _group(sweep, fixed, found[i : i + size])
        for fixed, found in groups.values()
        for i in range(0, len(found), size)
    ]


def _group(sweep: Sweep, fixed: dict[str, Any], trials: list[SweepTrial]) -> TrialGroup:
    for trial in trials:
        try:
            sweep.experiment_of(trial.settings)
        except ConfigError as error:
            raise ConfigError(
                f"trial {trial.number} ({trial.settings}) cannot be run: {error}"
            ) from error
    numbers = [
        {name: value for name, value in trial.settings.items() if name not in fixed}
        for trial in trials
    ]
    members = [numbers[i] for i in range(len(numbers)) if numbers.index(numbers[i]) == i]
    vary = {name: [member[name] for member in members] for name in members[0]}
    quiet = {"sinks.jsonl": False, "sinks.tensorboard": False, "sinks.mlflow.enabled": False}
    experiment = with_settings(
        sweep.experiment,
        {**fixed, **quiet, "vary": vary, **population_settings(sweep, len(members))},
    )
    return TrialGroup(experiment, tuple(trials), tuple(members.index(n) for n in numbers))


def population_settings(sweep: Sweep, members: int) -> dict[str, Any]:
    """The settings by which a run of `members` members is halved or evolves, as the sweep asks."""
    config, settings = sweep.config, {}
    if config.metric == "eval/return":  # by which the best member of a run is known
        settings["population.mode"] = config.mode
    if config.halving is not None and members > 1:
        settings["population.halving"] = as_dict(config.halving)
    if config.sampler == "pbt":
        settings["population.pbt"] = as_dict(replace(config.pbt or PBTConfig(), space=config.space))
    return settings
