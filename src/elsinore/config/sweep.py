"""A search as data: what is searched, how, and the runs that its trials become.

Trials that differ in traced numbers only are members of one population: one run, one compile. What changes the
program makes a group of its own.
"""

import copy
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from elsinore.config.build import ConfigError, as_dict, build
from elsinore.config.experiment import SCORES, Experiment
from elsinore.config.load import experiment_from, set_dotted
from elsinore.config.members import is_traced, traced_names, with_settings
from elsinore.config.plan import plan_for
from elsinore.config.space import Choice, Range, Space, parse_space
from elsinore.traced import marks_of, value_of
from elsinore.training.halving import HalvingConfig
from elsinore.training.population import PBTConfig

SAMPLERS = ("random", "grid", "optuna", "pbt")
BATCH = 16  # trials that Optuna is asked for at a time, unless the config says
COMPANIES = 64  # combinations of other settings' ends that an end is tried with
FIXED = ("algo.name", "seed", "seeds", "vary", "population", "layout", "checkpoints", "sinks", "sweep")


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A search over settings, each trial trained with every seed of the experiment."""

    space: dict[str, Any] = field(default_factory=dict)  # {"algo.gamma": {"uniform": [0.9, 0.999]}}
    trials: int | None = None  # null: 64, or all there are in a grid
    sampler: str = "random"  # random | grid | optuna | pbt
    metric: str = "eval/return"  # of the final evaluation; others: their last value in training
    mode: str = "max"  # max | min
    batch: int | None = None  # trials that are asked for, trained and told of together; null: all, or 16 of Optuna's
    halving: HalvingConfig | None = None
    pbt: PBTConfig | None = None

    def __post_init__(self):
        for name, known in (("sampler", SAMPLERS), ("metric", SCORES), ("mode", ("max", "min"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(known)}.")
        for name in ("trials", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1.")
        early = "halving" if self.halving is not None else "pbt" if self.sampler == "pbt" else None
        if early and self.metric != "eval/return":
            raise ValueError(f"metric={self.metric!r} cannot be used with {early}, which goes by eval/return.")
        if self.pbt is not None and self.sampler != "pbt":
            raise ValueError(f"pbt is set and sampler={self.sampler!r}; set sampler: pbt.")
        if self.sampler == "pbt" and self.halving is not None:
            raise ValueError("halving cannot be set with sampler: pbt, which keeps all its members.")
        if self.sampler == "pbt" and self.batch is not None:
            raise ValueError(f"batch={self.batch} cannot be set with sampler: pbt, whose trials are one population.")


class Trial(NamedTuple):
    number: int
    settings: dict[str, Any]  # by dotted name


class Group(NamedTuple):
    """Trials of one compile signature: one run."""

    experiment: Experiment
    trials: tuple[Trial, ...]
    members: tuple[int, ...]  # of each trial: its place in `experiment.vary` (two that are equal share one)


@dataclass(frozen=True)
class Sweep:
    """A search that has been checked."""

    experiment: Experiment  # what all trials share
    config: SweepConfig
    space: Space

    def as_dict(self) -> dict[str, Any]:
        """What `load_sweep` reads."""
        return as_dict(self.experiment) | {"sweep": as_dict(self.config)}

    @property
    def num_trials(self) -> int:
        return self.config.trials or (len(grid_of(self.space)) if self.config.sampler == "grid" else 64)

    @property
    def batch(self) -> int:
        """Trials a round."""
        return self.config.batch or (BATCH if self.config.sampler == "optuna" else self.num_trials)

    def experiment_of(self, settings: Mapping[str, Any]) -> Experiment:
        """A trial as an experiment of its own.

        Raises:
            ConfigError: where it cannot be run.
        """
        return with_settings(self.experiment, dict(settings))


def load_sweep(config: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Sweep:
    """The search that a mapping describes: an experiment's settings, and the section `sweep`.

    Raises:
        ConfigError: naming the setting, its value and what would do.
    """
    data = copy.deepcopy(dict(config))
    for name, value in (overrides or {}).items():
        set_dotted(data, name, value)
    section = data.pop("sweep", None)
    if section is None:
        raise ConfigError(
            "the config has no section `sweep`, such as sweep: {space: {algo.gamma: {uniform: [0.9, 1]}}}."
        )
    settings = build(SweepConfig, section, "sweep")
    experiment = experiment_from(data)
    if experiment.vary or as_dict(experiment.population) != as_dict(type(experiment.population)()):
        raise ConfigError(
            "vary and population cannot be set in a sweep, which makes them from its trials; leave them out."
        )
    sweep = Sweep(experiment, settings, parse_space(settings.space, "sweep.space"))
    _check_space(sweep)
    _check_sampler(sweep)
    if settings.sampler != "optuna":
        grouped(sweep, trials_of(sweep))
    return sweep


def random_trials(space: Space, seed: int, num: int) -> list[Trial]:
    """Trial t is the same however many there are."""

    def draw(number: int) -> dict[str, Any]:
        units = np.random.default_rng((seed, number)).random(len(space))
        return {name: span.at(float(unit)) for (name, span), unit in zip(space.items(), units, strict=True)}

    return [Trial(number, draw(number)) for number in range(num)]


def grid_of(space: Space) -> list[Trial]:
    """Every combination, the last setting changing first."""
    values = itertools.product(*(span.grid() for span in space.values()))
    return [Trial(i, dict(zip(space, combination, strict=True))) for i, combination in enumerate(values)]


def trials_of(sweep: Sweep) -> list[Trial]:
    """Every trial of a sampler that knows them all from the beginning."""
    if sweep.config.sampler == "grid":
        return grid_of(sweep.space)
    return random_trials(sweep.space, sweep.experiment.seed, sweep.num_trials)


def grouped(sweep: Sweep, trials: list[Trial]) -> list[Group]:
    """The runs that train these trials, one a compile signature, in the order of their first trials.

    Raises:
        ConfigError: for a trial that cannot be run.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        fixed = {name: value for name, value in trial.settings.items() if not is_traced(name, value, sweep.experiment)}
        groups.setdefault(json.dumps(fixed, sort_keys=True), []).append(trial)
    return [_group(sweep, json.loads(signature), found) for signature, found in groups.items()]


def _group(sweep: Sweep, fixed: dict[str, Any], trials: list[Trial]) -> Group:
    for trial in trials:
        try:
            sweep.experiment_of(trial.settings)
        except ConfigError as error:
            raise ConfigError(f"trial {trial.number} ({trial.settings}) cannot be run: {error}") from error
    numbers = [{name: value for name, value in trial.settings.items() if name not in fixed} for trial in trials]
    members = [numbers[i] for i in range(len(numbers)) if numbers.index(numbers[i]) == i]
    vary = {name: [member[name] for member in members] for name in members[0]}
    quiet = {"sinks.jsonl": False, "sinks.tensorboard": False, "sinks.mlflow.enabled": False}
    experiment = with_settings(sweep.experiment, {**fixed, **quiet, "vary": vary, **_population(sweep, len(members))})
    return Group(experiment, tuple(trials), tuple(members.index(n) for n in numbers))


def _population(sweep: Sweep, members: int) -> dict[str, Any]:
    config, settings = sweep.config, {"population.mode": sweep.config.mode}
    if config.halving is not None and members > 1:
        settings["population.halving"] = as_dict(config.halving)
    if config.sampler == "pbt":
        settings["population.pbt"] = as_dict(replace(config.pbt or PBTConfig(), space=config.space))
    return settings


def _check_space(sweep: Sweep) -> None:
    """Every end of every range, and every choice, must be a setting that can be run, at least together with some of
    the others' ends (a number of minibatches may need a longer rollout)."""
    for name, span in sweep.space.items():
        if any(name == fixed or name.startswith(f"{fixed}.") for fixed in FIXED):
            raise ConfigError(f"sweep.space.{name} cannot be searched: it is the same for all trials.")
        others = [[(other, end) for end in found.ends()] for other, found in sweep.space.items() if other != name]
        company = [dict(ends) for ends in itertools.islice(itertools.product(*others), COMPANIES)]
        for value in span.ends():
            alone = _refusal(sweep, {name: value})
            if alone is not None and all(_refusal(sweep, {**settings, name: value}) for settings in company):
                raise ConfigError(f"sweep.space.{name} reaches {value!r}, which cannot be run: {alone}")


def _refusal(sweep: Sweep, settings: dict[str, Any]) -> str | None:
    """Why a trial with these settings cannot be run; None if it can."""
    try:
        plan_for(sweep.experiment_of(settings))
    except ConfigError as error:
        return str(error)
    return None


def _check_sampler(sweep: Sweep) -> None:
    config = sweep.config
    if config.sampler == "grid":
        for name, span in sweep.space.items():
            try:
                span.grid()
            except ValueError as error:
                raise ConfigError(f"sweep.space.{name}: {error}.") from error
        size = len(grid_of(sweep.space))
        if config.trials not in (None, size):
            raise ConfigError(f"sweep.trials={config.trials}, and the grid has {size}; leave trials out.")
    elif any(isinstance(span, Range) and span.count is not None for span in sweep.space.values()):
        raise ConfigError(f"a count is for grids, and sweep.sampler={config.sampler!r}; leave it out.")
    if config.sampler == "pbt":
        if sweep.num_trials < 2:
            raise ConfigError(f"sweep.trials={sweep.num_trials} is no population; pbt needs at least 2.")
        can = ", ".join(f"algo.{name}" for name in marks_of(sweep.experiment.algo))
        for name, span in sweep.space.items():
            if isinstance(span, Choice) or span.kind == "int" or not is_traced(name, span.low, sweep.experiment):
                raise ConfigError(f"sweep.space.{name} cannot evolve: pbt moves only uniform and log ranges of traced "
                                  f"numbers, {can}.")  # fmt: skip
    if config.halving is not None:
        try:
            plan_for(with_settings(sweep.experiment, _two_members(sweep)))
        except ConfigError as error:
            raise ConfigError(str(error).replace("population.halving", "sweep.halving")) from error


def _two_members(sweep: Sweep) -> dict[str, Any]:
    """Settings that try whether halving fits the experiment: any number that can vary will do."""
    name = traced_names(sweep.experiment)[0]
    return {"vary": {name: [value_of(sweep.experiment, name)] * 2}} | _population(sweep, 2)
