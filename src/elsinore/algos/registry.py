"""Look up algorithms by name. An algorithm, built-in or custom, is one function,

    def mine(config: MyConfig, env, env_params, num_updates, network=None) -> Algorithm

whose first parameter is annotated with a frozen dataclass, its settings.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from elsinore.config_records import settings
from elsinore.imports import import_callable
from elsinore.types import Algorithm
from elsinore.validation import did_you_mean

ALGORITHMS = {
    "ppo": "elsinore.algos.ppo:ppo",
    "a2c": "elsinore.algos.a2c:a2c",
    "dqn": "elsinore.algos.dqn:dqn",
    "pqn": "elsinore.algos.pqn:pqn",
    "sac": "elsinore.algos.sac:sac",
    "sac_discrete": "elsinore.algos.sac_discrete:sac_discrete",
    "td3": "elsinore.algos.td3:td3",
}
ARGUMENTS = "config, env, env_params, num_updates, network"


def algorithm(name: Any) -> Any:
    """The function that makes an `Algorithm`, by a known name or `"module:function"`; whether it
    is a function is not checked.

    Raises:
        ValueError: naming the algorithm that is unknown or cannot be imported, with a remedy.
    """
    if not isinstance(name, str) or (name not in ALGORITHMS and ":" not in name):
        raise ValueError(
            f"algo={name!r} is unknown{did_you_mean(name, ALGORITHMS, cutoff=0.5)} Known:"
            f" {', '.join(ALGORITHMS)}; a custom algorithm is given as 'module:function'."
        )
    return import_callable(ALGORITHMS.get(name, name), "algo", f"a function of ({ARGUMENTS})")


def config_type(name: Any) -> type:
    """The dataclass of an algorithm's settings; its field `name` says how to find the algorithm
    again.

    Raises:
        ValueError: for an algorithm that is unknown or cannot be imported, or does not keep the
            contract.
    """
    function = algorithm(name)
    if not inspect.isfunction(function):
        raise ValueError(
            f"algo={name!r} is of type {type(function).__name__}; it must be a function of"
            f" ({ARGUMENTS})."
        )
    signature = inspect.signature(function)
    try:
        signature.bind(*ARGUMENTS.split())
    except TypeError as error:
        raise ValueError(
            f"algo={name!r} takes {signature}; it must be called with ({ARGUMENTS})."
        ) from error
    return _named(_annotated(function, next(iter(signature.parameters)), name), name)


def built_in_behind(name: Any) -> Any:
    """The built-in algorithm of which a custom one is a variant, as the class of its settings is
    that of the built-in one or a subclass; any other name as it is."""
    if not isinstance(name, str) or ":" not in name:
        return name
    try:
        classes = config_type(name).__mro__
    except ValueError:  # which the settings are refused for
        return name
    named = {vars(cls).get("name"): cls for cls in classes}
    return next((of for of in ALGORITHMS if of in named and config_type(of) is named[of]), name)


def _annotated(function: Callable[..., Any], first: str, name: str) -> type:
    """The frozen dataclass that the parameter `first` is annotated with."""
    try:
        cls = typing.get_type_hints(function).get(first)
    except Exception as error:  # whatever an annotation that is text raises while it is read
        raise ValueError(f"algo={name!r}: its annotations cannot be read: {error}.") from error
    wanted = (
        f"annotate it with the frozen dataclass of its settings, such as ({first}: MyConfig, ...)"
    )
    if cls is None:
        raise ValueError(f"algo={name!r}: its parameter {first} has no annotation; {wanted}.")
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        found = getattr(cls, "__name__", cls)
        raise ValueError(
            f"algo={name!r}: its parameter {first} is annotated with {found}, no dataclass;"
            f" {wanted}."
        )
    if not getattr(cls, "__dataclass_params__").frozen:  # noqa: B009, typeshed lacks it
        raise ValueError(
            f"algo={name!r}: {cls.__name__} can be changed; write @dataclass(frozen=True,"
            " kw_only=True)."
        )
    return cls


@functools.cache
def _named(cls: type, name: str) -> type:
    """The dataclass itself where its instances are of that `name` already, or a subclass whose
    are."""
    if getattr(cls, "name", None) == name:
        return cls
    own = {part: getattr(cls, part) for part in ("__doc__", "__module__", "__qualname__")}
    own |= {"__annotations__": {"name": str}, "name": dataclasses.field(default=name, init=False)}
    return settings(type(cls.__name__, (cls,), own))


def steps_per_update(config: Any) -> int:
    """Env steps that one update takes: as the config says, or `num_envs` x `rollout_length`.

    Raises:
        ValueError: where neither is there, or it is no number of steps.
    """
    steps = getattr(config, "steps_per_update", None)
    if steps is None:
        missing = [field for field in ("num_envs", "rollout_length") if not hasattr(config, field)]
        if missing:
            raise ValueError(
                f"algo={config.name!r}: {type(config).__name__} has no {' and no '.join(missing)};"
                " an update takes num_envs x rollout_length env steps. Add the fields, or a"
                " property steps_per_update."
            )
        steps = config.num_envs * config.rollout_length
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(
            f"algo={config.name!r}: an update of {steps!r} env steps cannot be; it must be 1 or"
            " more."
        )
    return steps


def known_steps(config: Any) -> int | None:
    """Env steps that one update takes; None where the settings do not say it. Where a property of
    the algorithm's code does, they do not as a run's file has them."""
    try:
        return steps_per_update(config)
    except (TypeError, ValueError):
        return None


def custom_network(config: Any) -> Any:
    """The factory that `network.custom` of an algorithm's config names, or None.

    Raises:
        ValueError: if it cannot be imported.
    """
    custom = getattr(getattr(config, "network", None), "custom", None)
    return import_callable(custom, "algo.network.custom") if custom else None


def algorithm_of(
    config: Any, env: Any, env_params: PyTree, num_updates: int, network: Any = None
) -> Algorithm:
    """The algorithm that `config.name` names, made for an env.

    Raises:
        ValueError: as the algorithm does itself, or where what it makes is no `Algorithm` of this
            config.
    """
    made = algorithm(config.name)(config, env, env_params, num_updates, network)
    if not isinstance(made, Algorithm):
        raise ValueError(
            f"algo={config.name!r} returned {type(made).__name__}; return an"
            " elsinore.types.Algorithm."
        )
    steps = steps_per_update(config)
    if not isinstance(made.steps_per_update, int):
        raise ValueError(
            f"algo={config.name!r}: its Algorithm has steps_per_update={made.steps_per_update!r};"
            f" it must be a whole number: int({steps})."
        )
    if made.steps_per_update != steps:
        raise ValueError(
            f"algo={config.name!r}: its Algorithm has steps_per_update={made.steps_per_update} and"
            f" its config {steps}; make them agree (the config's is num_envs x rollout_length"
            " unless it has a property steps_per_update)."
        )
    if config.name not in ALGORITHMS:
        from elsinore.contract import with_contract  # imports jax.numpy

        return with_contract(made, env.action_space(env_params), f"algo={config.name!r}: ")
    return made
