"""The members of a population, from what varies: each one's config, its numbers, and what happens between them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from elsinore.config.build import ConfigError, as_dict
from elsinore.config.experiment import Experiment
from elsinore.config.load import experiment_from, set_dotted
from elsinore.config.space import Range, parse_space
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
    return experiment_from(data)


def is_traced(name: str, value: Any, hyper: Any) -> bool:
    """Whether a setting's value is a number of `hyper`, which may differ within one compiled program."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and name.startswith("algo.") and name.removeprefix("algo.") in hyper._fields


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
            value = getattr(member.algo, name.removeprefix("algo."), None)
            if not is_traced(name, value, hypers[0]):
                raise ConfigError(
                    f"vary.{name}={experiment.vary[name]!r} cannot vary within one program; numbers that can: "
                    f"{', '.join(traced_names(members[0], hypers[0]))}. `elsinore sweep` can search the others."
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
    hyper = hyper_of(member)
    if not isinstance(span, Range) or span.kind == "int" or not is_traced(name, 0.0, hyper):
        raise ConfigError(
            f"population.pbt.space.{name} cannot evolve: it must be a uniform or log range of one of "
            f"{', '.join(traced_names(member, hyper))}."
        )
    try:
        low, high = (hyper_of(with_settings(member, {name: end})) for end in span.ends())
    except ConfigError as error:
        raise ConfigError(f"population.pbt.space.{name}: {error}") from error
    ends = jnp.float32(span.low), jnp.float32(span.high)
    follow = [field for field in hyper._fields if (getattr(low, field), getattr(high, field)) == ends]
    fields = tuple(sorted(follow, key=lambda field: field != name.removeprefix("algo.")))
    return Number(name.removeprefix("algo."), fields, span.low, span.high, span.kind == "log")


def traced_names(member: Experiment, hyper: Any) -> list[str]:
    """The settings that have a number in `hyper` now: one that is null has none of its own."""
    return [f"algo.{f}" for f in hyper._fields if is_traced(f"algo.{f}", getattr(member.algo, f, None), hyper)]


def _told(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
