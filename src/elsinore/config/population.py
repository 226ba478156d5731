"""Members of a population: the config and the traced numbers of each, and the step between
chunks."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.config.experiment import Experiment
from elsinore.config.load import with_settings
from elsinore.config.search_space import Range, parse_space
from elsinore.errors import ConfigError
from elsinore.hyperparameters import field_of, marks_of, value_of, varies
from elsinore.training.halving import halve
from elsinore.training.population import Number, Population, PopulationStep, evolve

HyperOf = Callable[[Experiment], Any]  # the traced numbers of a member's config


def members_of(experiment: Experiment) -> list[Experiment]:
    """The experiment of each member.

    Raises:
        ConfigError: naming a value that cannot be run.
    """
    if not experiment.vary:
        return [experiment]
    members = []
    for values in experiment.member_values:
        try:
            members.append(with_settings(experiment, values | {"vary": {}, "population": {}}))
        except ConfigError as error:
            settings = ", ".join(f"{name}={value!r}" for name, value in values.items())
            raise ConfigError(f"vary: {settings} cannot be run: {error}") from error
    return members


def is_traced(name: str, value: Any, experiment: Experiment) -> bool:
    """True if one compiled program can run a setting with that value and with others."""
    return name.startswith("algo.") and varies(experiment.algo, name.removeprefix("algo."), value)


def refuse_read_once(name: str, experiment: Experiment, place: str) -> None:
    """Refuse to change a number that training reads at its begin alone.

    Raises:
        ConfigError: with a remedy.
    """
    if name == "algo.temperature" and getattr(experiment.algo, "tune_temperature", False):
        raise ConfigError(
            f"{place}={name!r} is where the tuning of the temperature begins, and is not read"
            " later; take algo.target_entropy, or set algo.tune_temperature: false."
        )


def number_of(name: str, hyper: PyTree) -> Any:
    """The traced number of a setting, such as `algo.gamma`."""
    return getattr(hyper, _field(name))


def _field(name: str) -> str:
    return field_of(name.removeprefix("algo."))


def stacked_hyper(experiment: Experiment, members: list[Experiment], hyper_of: HyperOf) -> PyTree:
    """The traced numbers of every replica, [replica] each; None without a population.

    Raises:
        ConfigError: for a setting that cannot vary within one compiled program.
    """
    if not experiment.vary:
        return None
    hypers = [hyper_of(member) for member in members]
    for name in experiment.vary:
        for member in members:
            if not is_traced(name, value_of(member, name), member):
                raise ConfigError(
                    f"vary.{name}={experiment.vary[name]!r} cannot vary within one program; numbers"
                    f" that can: {', '.join(traced_names(members[0]))}. `elsinore sweep` can search"
                    " the others."
                )
    return jax.tree.map(lambda *x: jnp.repeat(jnp.stack(x), experiment.seeds), *hypers)


def refuse_absent_seed(experiment: Experiment) -> None:
    """Refuse to record the policy of a seed that the run does not have.

    Raises:
        ConfigError: with the numbers that it has.
    """
    index, replicas = experiment.replays.seed_index, experiment.replicas
    if index >= replicas:
        raise ConfigError(
            f"replays.seed_index={index} counts from 0, and this run trains {replicas}; give at"
            f" most {replicas - 1}, or more seeds."
        )


def population_step_of(
    experiment: Experiment,
    members: list[Experiment],
    hyper_of: HyperOf,
    num_chunks: int,
    initial_carry: PyTree = (),
) -> PopulationStep | None:
    """The population's step between chunks; None without halving and PBT. `initial_carry` is that
    of the policy, of one agent.

    Raises:
        ConfigError: for rungs or a period that do not fit the run, or a number that cannot
            evolve.
    """
    config = experiment.population
    population = Population(experiment.members, experiment.seeds, config.mode)
    if config.halving is not None:
        _refuse_open_end(experiment)
        try:
            return halve(config.halving, population, num_chunks)
        except ValueError as error:
            raise ConfigError(f"population.halving.{error}") from error
    if config.pbt is not None:
        if config.pbt.period >= num_chunks:
            raise ConfigError(
                f"population.pbt.period={config.pbt.period} selects between chunks, and this run"
                f" has {num_chunks}: no member would be replaced; lower it, or evaluate more often"
                " with a smaller evaluation.period."
            )
        space = parse_space(config.pbt.space, "population.pbt.space")
        numbers = tuple(_number(name, span, members[0], hyper_of) for name, span in space.items())
        return evolve(config.pbt, numbers, population, initial_carry)
    return None


def _refuse_open_end(experiment: Experiment) -> None:
    """Refuse a run that may end before its rungs, which are shares of `env_steps`."""
    if unit := experiment.stop.unit:
        raise ConfigError(
            f"population.halving compares members at shares of env_steps, and stop.{unit}="
            f"{getattr(experiment.stop, unit):g} may end the run before; give the budget as"
            " env_steps."
        )


def _number(name: str, span: Any, member: Experiment, hyper_of: HyperOf) -> Number:
    """A number that evolves within a range, with the fields that take its value by default (such as
    the end of a schedule)."""
    if not isinstance(span, Range) or span.kind == "int" or not is_traced(name, span.low, member):
        known = ", ".join(f"algo.{name}" for name in marks_of(member.algo))
        raise ConfigError(
            f"population.pbt.space.{name} cannot evolve: it must be a uniform or log range of one"
            f" of {known}."
        )
    refuse_read_once(name, member, "population.pbt.space")
    if not is_traced(name, value := value_of(member, name), member):
        raise ConfigError(
            f"population.pbt.space.{name} cannot evolve from {name}={value}, with which nothing of"
            " it is compiled; give it a number to begin with, or one for each member in vary."
        )
    try:
        low, high = (hyper_of(with_settings(member, {name: end})) for end in span.ends())
    except ConfigError as error:
        raise ConfigError(f"population.pbt.space.{name}: {error}") from error
    ends = jnp.float32(span.low), jnp.float32(span.high)
    follow = [field for field in low._fields if (getattr(low, field), getattr(high, field)) == ends]
    fields = tuple(sorted(follow, key=lambda field: field != _field(name)))
    return Number(name.removeprefix("algo."), fields, span.low, span.high, span.kind == "log")


def traced_names(experiment: Experiment) -> list[str]:
    """The settings that can vary in this experiment; a setting that is null or off cannot."""
    names = (f"algo.{name}" for name in marks_of(experiment.algo))
    return [name for name in names if is_traced(name, value_of(experiment, name), experiment)]
