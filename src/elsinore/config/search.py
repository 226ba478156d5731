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
    Settings,
    experiment_from,
    read_settings,
    with_overrides,
    with_settings,
)
from elsinore.config.mappings import ranges_by_setting
from elsinore.config.parse import as_dict, build
from elsinore.config.plan import plan_for
from elsinore.config.population import is_traced, traced_names
from elsinore.config.search_space import Range, Space, parse_space
from elsinore.config.units import BUDGETS
from elsinore.errors import ConfigError
from elsinore.hyperparameters import record, value_of
from elsinore.training.halving import HalvingConfig
from elsinore.training.population import PBTConfig
from elsinore.validation import at_least, one_of

SPACE = "sweep.space"
SAMPLERS = ("random", "grid", "optuna", "pbt")
OPTUNA_BATCH = 16  # trials that Optuna proposes at a time, by default
MAX_TRIALS = 10_000  # all of which are checked before the first is trained
MAX_COMBINATIONS = 64  # combinations of the other settings' ends with which an end is tried
FIXED = (  # the same for all trials
    "algo.name",
    "seed",
    "seeds",
    "vary",
    "population",
    "layout",
    "checkpoints",
    "sinks",
    "sweep",
)

# What a refusal says of a population, in the words of a sweep; the longest come first.
IN_A_SWEEP = {
    "population.halving": "sweep.halving",
    "population.pbt.space": SPACE,
    "set population.pbt: null": "choose another sweep.sampler",
    "population.pbt=...": "sweep.sampler='pbt'",
    "population.pbt": "sweep.pbt",
}


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
            ConfigError: for settings that cannot be run.
        """
        return with_settings(self.experiment, settings)


def load_sweep(config: Settings, overrides: Mapping[str, Any] | None = None) -> Sweep:
    """Build a sweep from an experiment's settings and their section `sweep`, a YAML file or a
    mapping.

    Raises:
        ConfigError: naming the setting, its value and a remedy.
    """
    data, beside = read_settings(config)
    data = with_overrides(data, overrides or {})
    section = data.pop("sweep", None)
    if section is None:
        raise ConfigError(
            "the config has no section `sweep`, such as sweep: {space: {algo.gamma: {uniform: [0.9,"
            " 1]}}}."
        )
    if isinstance(section, Mapping) and "space" in section:
        section = {**section, "space": ranges_by_setting(section["space"])}
    settings = build(SweepConfig, section, "sweep")
    experiment = experiment_from(data, beside)
    if experiment.vary or as_dict(experiment.population) != as_dict(type(experiment.population)()):
        raise ConfigError(
            "vary and population cannot be set in a sweep, which makes them from its trials; remove"
            " them."
        )
    sweep = Sweep(experiment, settings, parse_space(settings.space, SPACE, experiment))
    _check_space(sweep)
    _check_sampler(sweep)
    if settings.sampler != "optuna":
        trials = trials_of(sweep)
        for i in range(0, len(trials), sweep.batch):
            trial_groups(sweep, trials[i : i + sweep.batch])
    return sweep


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
    groups: dict[str, list[SweepTrial]] = {}
    for trial in trials:
        fixed = {
            name: value
            for name, value in trial.settings.items()
            if not is_traced(name, value, sweep.experiment)
        }
        groups.setdefault(json.dumps(fixed, sort_keys=True), []).append(trial)
    size = min(sweep.config.split or MAX_MEMBERS, MAX_MEMBERS)
    largest = max(map(len, groups.values()), default=0)
    if sweep.compares_members and largest > size:
        raise ConfigError(
            f"sweep.trials={sweep.num_trials}: {largest} would be compared in one run, in which at"
            f" most {MAX_MEMBERS} can train side by side; use fewer trials, or with halving"
            f" sweep.batch={MAX_MEMBERS}."
        )
    return [
        _group(sweep, json.loads(signature), found[i : i + size])
        for signature, found in groups.items()
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
        sweep.experiment, {**fixed, **quiet, "vary": vary, **_population(sweep, len(members))}
    )
    return TrialGroup(experiment, tuple(trials), tuple(members.index(n) for n in numbers))


def _population(sweep: Sweep, members: int) -> dict[str, Any]:
    config, settings = sweep.config, {"population.mode": sweep.config.mode}
    if config.halving is not None and members > 1:
        settings["population.halving"] = as_dict(config.halving)
    if config.sampler == "pbt":
        settings["population.pbt"] = as_dict(replace(config.pbt or PBTConfig(), space=config.space))
    return settings


def _check_space(sweep: Sweep) -> None:
    """Refuse an end of a range, or a choice, that cannot be run with any of the others' ends (a
    number of minibatches may need a longer rollout)."""
    _check_budgets(sweep)
    for name, span in sweep.space.items():
        if any(name == fixed or name.startswith(f"{fixed}.") for fixed in FIXED):
            raise ConfigError(
                f"{SPACE}.{name} cannot be searched: it is the same for all trials; remove it."
            )
        others = [
            [(other, end) for end in found.ends()]
            for other, found in sweep.space.items()
            if other != name
        ]
        combinations = [
            dict(ends) for ends in itertools.islice(itertools.product(*others), MAX_COMBINATIONS)
        ]
        for value in span.ends():
            alone = _refusal(sweep, {name: value})
            if alone is not None and all(
                _refusal(sweep, {**settings, name: value}) for settings in combinations
            ):
                raise ConfigError(f"{SPACE}.{name} reaches {value!r}, which cannot be run: {alone}")


def _check_budgets(sweep: Sweep) -> None:
    """Refuse to search over a budget beside one in another unit."""
    stop = sweep.experiment.stop
    own = {f"stop.{name}" for name in ("episodes", "seconds") if getattr(stop, name) is not None}
    searched = [name for name in sweep.space if name in BUDGETS]
    if searched and len(names := sorted({*searched, *own})) > 1:
        raise ConfigError(
            f"{SPACE}.{searched[0]}: {' and '.join(names)} are a budget in two units; give one of"
            " them."
        )


def _refusal(sweep: Sweep, settings: dict[str, Any]) -> str | None:
    """The reason why a trial with these settings cannot be run, or None."""
    try:
        plan_for(sweep.experiment_of(settings))
    except ConfigError as error:
        return str(error)
    return None


def _check_sampler(sweep: Sweep) -> None:
    config = sweep.config
    if config.sampler == "grid":
        _check_grid(sweep)
    elif any(isinstance(span, Range) and span.count is not None for span in sweep.space.values()):
        raise ConfigError(f"a count is for grids, and sweep.sampler={config.sampler!r}; remove it.")
    if config.sampler == "pbt" and sweep.num_trials < 2:
        raise ConfigError(
            f"sweep.trials={sweep.num_trials} is no population; pbt needs at least 2."
        )
    if sweep.compares_members:
        try:
            plan_for(with_settings(sweep.experiment, _two_members(sweep)))
        except ConfigError as error:
            text = str(error)
            for said, here in IN_A_SWEEP.items():
                text = text.replace(said, here)
            raise ConfigError(text) from error


def _check_grid(sweep: Sweep) -> None:
    for name, span in sweep.space.items():
        try:
            span.grid()
        except ValueError as error:
            raise ConfigError(f"{SPACE}.{name}: {error}.") from error
    size, trials = size_of_grid(sweep.space), sweep.config.trials
    if size > MAX_TRIALS:
        raise ConfigError(
            f"{SPACE} has {size:,} combinations, and a grid at most {MAX_TRIALS:,}; give ranges a"
            " smaller count, or sweep.sampler: random."
        )
    if trials not in (None, size):
        raise ConfigError(f"sweep.trials={trials}, and the grid has {size}; remove trials.")


def _two_members(sweep: Sweep) -> dict[str, Any]:
    """Settings of a population of two, to check halving and PBT."""
    name = traced_names(sweep.experiment)[0]
    numbers = {name: value_of(sweep.experiment, name)}
    if sweep.config.sampler == "pbt":  # which begins from numbers of its ranges
        ends = {name: span.ends()[0] for name, span in sweep.space.items()}
        numbers |= {name: x for name, x in ends.items() if is_traced(name, x, sweep.experiment)}
    vary = {name: [number] * 2 for name, number in numbers.items()}
    return {"vary": vary} | _population(sweep, 2)
