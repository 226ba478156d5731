"""Traced settings, such as `algo.learning_rate`, which actions change in the states of a run while
it trains."""

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from elsinore.config.learners import program_configs
from elsinore.config.load import with_settings
from elsinore.config.plan import Plan
from elsinore.config.population import is_traced, refuse_read_once, traced_names
from elsinore.errors import ConfigError
from elsinore.hyperparameters import field_of, marks_of, over_records, value_of
from elsinore.jaxtools.host_arrays import put, to_host
from elsinore.runs.actions import Action
from elsinore.training.turns import Turns


def refuse_untraced(plan: Plan, name: str, value: float | None) -> None:
    """Refuse a setting that a compiled program cannot change.

    Raises:
        ConfigError: with the settings that can, or for a value outside the setting's domain.
    """
    known = traced_names(plan.experiment)
    if name not in known or value is None or not math.isfinite(value):
        raise ConfigError(
            f"{name}={value} cannot be set while a run trains; these can: {', '.join(known)}."
        )
    refuse_read_once(name, plan.experiment, "Action.set")
    if not is_traced(name, value, plan.experiment):
        raise ConfigError(f"{name}={value} needs another program; use another value.")
    with_settings(plan.experiment, {name: value})  # within the setting's domain


def acted_on(states: Turns, actions: Sequence[Action], plan: Plan) -> Turns:
    """The states on the devices, with the settings that the actions set."""
    changes = [each for each in actions if each.act == "set"]
    if not changes:
        return states
    size = len(states[0].train.update)  # seeds of a turn
    own_values = {name.removeprefix("algo.") for name in plan.experiment.varied}

    def changed(turn: int, hyper: Any, config: Any) -> Any:
        for action in changes:
            of, own = turn, slice(None)
            if action.seed is not None:
                of, own = divmod(action.seed - plan.experiment.seed, size)
            name = action.name.removeprefix("algo.")
            # of agents with another algorithm, those that have the setting
            for field in _fields(config, name, own_values):
                if of == turn and field in hyper._fields:
                    value = _with(getattr(hyper, field), own, action.value)
                    hyper = hyper._replace(**{field: value})
        return hyper

    found, configs = [], program_configs(plan.experiment)
    for turn, state in enumerate(states):
        hyper = over_records(partial(changed, turn), state.train.hyper, configs)
        found.append(state._replace(train=state.train._replace(hyper=hyper)))
    return tuple(found)


def _fields(algo: Any, name: str, own_values: Collection[str]) -> list[str]:
    """The fields of the hyperparameters that hold a setting, and those that have its value by
    default, such as the end of a schedule, unless members of a population have values of it."""
    follow = [n for n, mark in marks_of(algo).items() if mark.absent == name]
    absent = [n for n in follow if value_of(algo, n) is None and n not in own_values]
    return [field_of(n) for n in (name, *absent)]


def _with(leaf: jax.Array, own: Any, value: Any) -> jax.Array:
    numbers = np.array(to_host(leaf))
    numbers[own] = value
    return put(numbers, leaf.sharding)
