"""The members of a population, from what varies: each one's config, its numbers, and what happens between them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.config.build import ConfigError, as_dict
from elsinore.config.experiment import Experiment
from elsinore.config.load import set_dotted, whole_experiment
from elsinore.config.space import Range, parse_space
from elsinore.traced import field_of, marks_of, value_of, varies
from elsinore.training.halving import halve
from elsinore.training.population import Between, Number, Population, evolve

HyperOf = Callable[[Experiment], Any]  # the traced numbers that a member's config gives


def members_of(experiment: Experiment) -> list[Experiment]:
    """Each member as an experiment of its own.

    Raises:
        ConfigError: for a value that cannot be run, naming it.
    """
    if not experiment.vary:
        return [experiment]
    members = []
    for values in experiment.member_values:
        try:
            members.append(with_settings(experiment, values | {"vary": {}, "population": {}}))
        except ConfigError as error:
            raise ConfigError(f"vary: {_told(values)} cannot be run: {error}") from error
    return members


def with_settings(experiment: Experiment, settings: dict[str, Any]) -> Experiment:
    """The experiment with other values for some settings, by dotted name."""
    data = as_dict(experiment)
    for name, value in settings.items():
        set_dotted(data, name, value)
    return whole_experiment(data)


def is_traced(name: str, value: Any, experiment: Experiment) -> bool:
    """Whether a setting may have that value beside others within one compiled program."""
    return name.startswith("algo.") and varies(experiment.algo, name.removeprefix("algo."), value)


def number_of(name: str, hyper: PyTree) -> Any:
    """The traced number of a setting, `algo.gamma` for one."""
    return getattr(hyper, _field(name))


def _field(name: str) -> str:
    return field_of(name.removeprefix("algo."))


def stacked_hyper(experiment: Experiment, members: list[Experiment], hyper_of: HyperOf) -> PyTree:
    """The numbers of every replica, [replica] each; None where there is no population.

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
                    f"vary.{name}={experiment.vary[name]!r} cannot vary within one program; numbers that can: "
                    f"{', '.join(traced_names(members[0]))}. `elsinore sweep` can search the others."
                )
    return jax.tree.map(lambda *x: jnp.repeat(jnp.stack(x), experiment.seeds), *hypers)


def between_of(experiment: Experiment, members: list[Experiment], hyper_of: HyperOf, num_chunks: int) -> Between | None:
    """What the experiment's population does between chunks, if anything.

    Raises:
        ConfigError: for rungs that do not fit, or a number that cannot evolve.
    """
    config = experiment.population
    population = Population(experiment.members, experiment.seeds, config.mode)
    if config.halving is not None:
        try:
            return halve(config.halving, population, num_chunks)
        except ValueError as error:
            raise ConfigError(f"population.halving.{error}") from error
    if config.pbt is not None:
        space = parse_space(config.pbt.space, "population.pbt.space")
        numbers = tuple(_number(name, span, members[0], hyper_of) for name, span in space.items())
        return evolve(config.pbt, numbers, population)
    return None


def _number(name: str, span: Any, member: Experiment, hyper_of: HyperOf) -> Number:
    """A range as a number that evolves. Where another number follows it in the config (a schedule's end that is
    not set apart), it follows it here."""
    if not isinstance(span, Range) or span.kind == "int" or not is_traced(name, span.low, member):
        raise ConfigError(
            f"population.pbt.space.{name} cannot evolve: it must be a uniform or log range of one of "
            f"{', '.join(traced_names(member))}."
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
    """The settings that may vary as the experiment stands: one that is null or off has no number of its own."""
    names = (f"algo.{name}" for name in marks_of(experiment.algo))
    return [name for name in names if is_traced(name, value_of(experiment, name), experiment)]


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
