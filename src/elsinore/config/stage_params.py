"""Environment parameters of each stage of a curriculum."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from elsinore.envs.time_limit import LIMIT
from elsinore.errors import ConfigError
from elsinore.training.curriculum.config import CurriculumConfig
from elsinore.validation import did_you_mean, fits


def tables_of(config: CurriculumConfig, env_params: PyTree) -> dict[str, np.ndarray]:
    """The values of every parameter that a stage changes, [stage, ...].

    Raises:
        ConfigError: for a parameter that does not exist or cannot change, or a value of another
            shape or type.
    """
    stages = [
        {
            name: _fitting(_place(config, i, name), name, value, env_params)
            for name, value in stage.params.items()
        }
        for i, stage in enumerate(config.all_stages)
    ]
    names = dict.fromkeys(name for values in stages for name in values)
    return {
        name: np.stack(
            [values[name] if name in values else default_of(env_params, name) for values in stages]
        )
        for name in names
    }


def _place(config: CurriculumConfig, stage: int, name: str) -> str:
    return (
        "curriculum.ladder.param"
        if config.ladder is not None
        else f"curriculum.stages[{stage}].params.{name}"
    )


def default_of(env_params: PyTree, name: str) -> np.ndarray:
    value = getattr(env_params, name)
    return np.asarray(value, jnp.result_type(value))


def _fitting(path: str, name: str, value: Any, env_params: PyTree) -> np.ndarray:
    """A stage's value in the shape and type of the parameter; a number fills an array."""
    known = [
        field for field, own in vars(env_params).items() if _may_change(env_params, field, own)
    ]
    if name not in known:
        raise ConfigError(
            f"{path}: {name!r} is no parameter that a stage can change"
            f"{did_you_mean(name, known, 0.5, 'known')}"
        )
    own = default_of(env_params, name)
    like = fits(value, own) or (own.size > 0 and fits(value, own.flat[0]))
    if not like or (name == LIMIT and np.min(value) < 1):
        least = ", and at least 1" if name == LIMIT else ""
        raise ConfigError(
            f"{path}={value!r} must be like the parameter's own value, {own.tolist()!r}{least}."
        )
    return np.broadcast_to(np.asarray(value), own.shape).astype(own.dtype)


def _may_change(env_params: PyTree, name: str, value: Any) -> bool:
    """True for a number or an array that is traced."""
    fields = (
        {f.name: f for f in dataclasses.fields(env_params)}
        if dataclasses.is_dataclass(env_params)
        else {}
    )
    traced = name not in fields or fields[name].metadata.get("pytree_node", True)
    return traced and isinstance(value, bool | int | float | np.ndarray | np.generic | jax.Array)
