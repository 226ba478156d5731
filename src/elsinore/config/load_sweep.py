"""A sweep read from settings, and checked as a whole before any of its trials is trained."""

import itertools
from collections.abc import Mapping
from typing import Any

from elsinore.config.load import (
    Settings,
    experiment_from,
    read_settings,
    with_overrides,
    with_settings,
)
from elsinore.config.mappings import dotted, ranges_by_setting
from elsinore.config.parse import as_dict, build
from elsinore.config.plan import plan_for
from elsinore.config.population import is_traced, traced_names
from elsinore.config.search import (
    MAX_TRIALS,
    SPACE,
    Sweep,
    SweepConfig,
    population_settings,
    size_of_grid,
    trial_groups,
    trials_of,
)
from elsinore.config.search_space import Range, parse_space
from elsinore.config.units import BUDGETS
from elsinore.errors import ConfigError
from elsinore.hyperparameters import value_of

MAX_COMBINATIONS = 64  # combinations of the other settings' ends with which an end is tried
FIXED = (  # the same for all trials
    "algo.name",
    "start.run",
    "start.checkpoint",
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
    sweep.experiment_of({})  # what all trials share
    _check_space(sweep)
    _check_sampler(sweep)
    if settings.sampler != "optuna":
        trials = trials_of(sweep)
        for i in range(0, len(trials), sweep.batch):
            trial_groups(sweep, trials[i : i + sweep.batch])
    return sweep


def _check_space(sweep: Sweep) -> None:
    """Refuse what is the same for all trials, and ranges of which a part cannot be run."""
    _check_budgets(sweep)
    for name, span in sweep.space.items():
        within = {each for value in span.ends() for each in dotted({name: value})}
        if any(f"{each}.".startswith(f"{fixed}.") for each in within for fixed in FIXED):
            raise ConfigError(
                f"{SPACE}.{name} cannot be searched: it is the same for all trials; remove it."
            )
        for value in span.ends():
            if said := _refusal_with_all(sweep, name, value):
                raise ConfigError(f"{SPACE}.{name} reaches {value!r}, which cannot be run: {said}")
        if isinstance(span, Range) and span.kind != "int" and span.count is None:
            value = span.at(0.41421356)  # of whole ends no whole number
            if said := _refusal_with_all(sweep, name, value):
                whole = float(span.low).is_integer() and float(span.high).is_integer()
                other = f" A range of whole numbers is int: [{span.low:.0f}, {span.high:.0f}]."
                raise ConfigError(
                    f"{SPACE}.{name} holds {value!r}, which cannot be run: {said}"
                    f"{other if whole else ''}"
                )


def _refusal_with_all(sweep: Sweep, name: str, value: Any) -> str | None:
    """The reason why no trial with this value can be run, whichever of the others' ends it has (a
    number of minibatches may need a longer rollout), or None."""
    alone = _refusal(sweep, {name: value})
    others = [
        [(other, end) for end in span.ends()]
        for other, span in sweep.space.items()
        if other != name
    ]
    each = ({other: end} for other, end in itertools.chain(*others))
    together = map(dict, itertools.islice(itertools.product(*others), MAX_COMBINATIONS))
    combinations = itertools.chain(each, together)
    can_be_run = alone is None or any(not _refusal(sweep, x | {name: value}) for x in combinations)
    return None if can_be_run else alone


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
    if config.pbt is not None and config.pbt.space:
        raise ConfigError(
            f"sweep.pbt.space={config.pbt.space} cannot be set: settings evolve over the ranges"
            f" that they begin from; give these in {SPACE}."
        )
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
    names = traced_names(sweep.experiment)
    if not names:
        which = "halving" if sweep.config.halving is not None else "sampler='pbt'"
        raise ConfigError(
            f"sweep.{which} compares trials within one run, and no number of"
            f" algo={sweep.experiment.algo.name!r} can differ there; remove it."
        )
    name = names[0]
    numbers = {name: value_of(sweep.experiment, name)}
    if sweep.config.sampler == "pbt":  # which begins from numbers of its ranges
        ends = {name: span.ends()[0] for name, span in sweep.space.items()}
        numbers |= {name: x for name, x in ends.items() if is_traced(name, x, sweep.experiment)}
    vary = {name: [number] * 2 for name, number in numbers.items()}
    return {"vary": vary} | population_settings(sweep, 2)
