"""`make`: an environment in its wrappers, and its parameters, as a config has them."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elsinore.arguments import checked
from elsinore.envs.registry import env_of
from elsinore.envs.time_limit import LIMIT
from elsinore.errors import ConfigError, user_code
from elsinore.validation import fits

if TYPE_CHECKING:  # names and help are listed without importing jax
    from jaxtyping import PyTree


@checked
def make(
    env: Any,
    kwargs: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
    wrappers: Sequence[Any] = (),
) -> "tuple[Any, PyTree]":
    """An environment and its parameters, from a name, `"module:Class"`, or an instance, which may
    be one of a library in `suites`.

    `kwargs` go to the constructor of a named one (they fix shapes), `params` replace fields of its
    default parameters (traced numbers, such as `max_steps_in_episode`). It is put into `wrappers`
    (`elsinore.wrap`), whose numbers are among the parameters; one that is in them stays as it is.

    Raises:
        ValueError: naming what is unknown, or cannot be imported or built, with a remedy; also for
            `kwargs` of an instance.
    """
    name, env = env, env_of(env, kwargs)
    if wrappers:
        from elsinore.envs.wrapped import entries_of  # jax and gymnax come with these
        from elsinore.envs.wrappers import wrap

        env = env if entries_of(env) == tuple(wrappers) else wrap(env, *wrappers)
    with user_code(env=name):
        defaults = env.default_params
    return env, _with_params(env, defaults, params or {})


def _with_params(env: Any, defaults: "PyTree", params: dict[str, Any]) -> "PyTree":
    """The default parameters with some replaced, each by numbers of the same shape and dtype."""
    if not params:
        return defaults
    if not dataclasses.is_dataclass(defaults):
        raise ConfigError(
            f"env_params={params!r} cannot be set: default_params of {env.name} are"
            f" {type(defaults).__name__}; let them be a flax.struct.dataclass."
        )
    known = [field.name for field in dataclasses.fields(defaults)]
    for name, value in params.items():
        if name not in known:
            raise ConfigError(
                f"env_params.{name} is no parameter of {env.name}; it has: {', '.join(known)}."
            )
        if not fits(value, default := getattr(defaults, name)):
            raise ConfigError(f"env_params.{name}={value!r} must be like its default, {default!r}.")
        if name == LIMIT and value < 1:
            raise ConfigError(f"env_params.{name}={value!r} must be at least 1 step.")
    made = dataclasses.replace(
        defaults, **{name: _like(x, getattr(defaults, name)) for name, x in params.items()}
    )
    check_params(env, made, "env_params")
    return made


def check_params(env: Any, params: "PyTree", place: str) -> None:
    """Refuse numbers that the environment cannot run with: its method `check_params`, if it has
    one, raises a ValueError that begins with the parameter's name.

    Raises:
        ConfigError: naming the parameter below its `place` in the config.
    """
    if not hasattr(env, "check_params"):
        return
    try:
        env.check_params(params)
    except ValueError as error:
        raise ConfigError(f"{place}.{error}") from error


def _like(value: Any, default: Any) -> Any:
    """A number or an array as its default is, which `fits`: 5 for 10.0 is 5.0, not an integer."""
    if isinstance(default, bool | int | float):
        return type(default)(value)
    import numpy as np

    return np.asarray(value, default.dtype) if hasattr(default, "dtype") else value
