"""`wrap`: an environment in wrappers that are given by name, as in a config."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from elsinore.arguments import checked, plain
from elsinore.envs.registry import env_of, refuse_no_env
from elsinore.envs.suites import refuse_on_host
from elsinore.envs.time_limit import LIMIT
from elsinore.envs.wrapped import entries_of
from elsinore.envs.wrappers.episodes import Randomise, TimeLimit
from elsinore.envs.wrappers.observations import Flatten, FrameStack, ObsDtype, OneHot
from elsinore.envs.wrappers.rewards import ClipReward, ScaleReward, ShapeReward
from elsinore.envs.wrappers.wrapper import COMPILED, Wrapper
from elsinore.errors import ConfigError, setting_text, user_code
from elsinore.imports import import_callable
from elsinore.validation import did_you_mean

WRAPPERS: dict[str, type[Wrapper]] = {
    "clip_reward": ClipReward,
    "flatten": Flatten,
    "frame_stack": FrameStack,
    "obs_dtype": ObsDtype,
    "one_hot": OneHot,
    "randomise": Randomise,
    "scale_reward": ScaleReward,
    "shape_reward": ShapeReward,
    "time_limit": TimeLimit,
}
PLAIN = ("flatten", "one_hot")  # that take no value
REPEATABLE = ("shape_reward",)


@checked
def wrap(env: Any, *wrappers: Any) -> Any:
    """An environment in wrappers, the first innermost; a pure environment itself.

    Args:
        env: a name, `"module:Class"`, or a gymnax `Environment`.
        wrappers: each as in a config's `wrappers`: `"flatten"`, `"one_hot"`, `{"frame_stack": 4}`,
            `{"obs_dtype": "uint8"}`, `{"time_limit": 200}`, `{"scale_reward": 0.1}`,
            `{"clip_reward": [-1, 1]}`, `{"shape_reward": function}`,
            `{"randomise": {"length": [0.4, 0.6]}}`, or `"module:Class"` of a subclass of
            `elsinore.toolkit.Wrapper`, called with the env.

    Raises:
        ConfigError: for an unknown wrapper, a value that does not fit, or an order that would
            undo what an earlier wrapper does, or an environment that is stepped on the host.
    """
    if isinstance(env, str):
        name, env = env, env_of(env)
        wrapped = wrap(env, *wrappers)
        if wrapped is not env:
            wrapped.made_from = name
        return wrapped
    if wrappers:
        refuse_on_host(env, COMPILED)
        refuse_no_env(env)
    if wrappers and not is_dataclass(env.default_params):
        raise ConfigError(
            f"wrappers need params that are a flax.struct.dataclass; those of {env} are"
            f" {type(env.default_params).__name__}."
        )
    for i, entry in enumerate(plain(wrappers)):
        env = _wrapped(env, entry, f"wrappers[{i}]")
    return env


def _wrapped(env: Any, entry: Any, place: str) -> Wrapper:
    name, value = _parsed(entry, place)
    if name not in WRAPPERS:
        with user_code(**{place: name}):
            wrapped = import_callable(name, place, "a Wrapper")(env)
        if not isinstance(wrapped, Wrapper):
            kind = type(wrapped).__name__
            raise ConfigError(f"{place}={name!r} gives {kind}; it must give a Wrapper.")
    else:
        _refuse_order(env, name, value, place)
        try:
            wrapped = WRAPPERS[name](env, *_imported(value, f"{place}.{name}"))
        except ConfigError:
            raise
        except ValueError as error:
            given = f"={value[0]!r}" if value else ""
            raise ConfigError(f"{place}: {name}{given} {error}") from error
    wrapped.entry = _as_written(entry)
    return wrapped


def _imported(value: Any, place: str) -> Any:
    """The value with its functions instead of their names."""
    if isinstance(value, Mapping):
        return {name: _imported(part, place) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_imported(part, place) for part in value)
    return import_callable(value, place) if isinstance(value, str) and ":" in value else value


def _parsed(entry: Any, place: str) -> tuple[str, tuple[Any, ...]]:
    """(name, its value if it takes one) of an entry."""
    is_mapping = isinstance(entry, Mapping) and len(entry) == 1
    name, value = next(iter(entry.items())) if is_mapping else (entry, None)
    is_code = isinstance(name, str) and ":" in name
    if not isinstance(name, str) or (name not in WRAPPERS and not is_code):
        known = did_you_mean(name, WRAPPERS, 0.6, "known") if isinstance(name, str) else "."
        known = f"; this one is {setting_text(name)!r}." if callable(name) else known
        raise ConfigError(
            f"{place}={entry!r} is no wrapper; give a name, or {{name: value}} such as"
            f" {{frame_stack: 4}}{known}"
        )
    takes_value = not is_code and name not in PLAIN
    # code is named by values alone, where a stranger's is marked
    if takes_value != (value is not None) or (is_code and is_mapping):
        said = "needs a value" if takes_value else "takes no value"
        raise ConfigError(f"{place}={entry!r} {said}: write {name}{': VALUE' * takes_value}.")
    return name, (value,) * takes_value


def _refuse_order(env: Any, name: str, value: tuple[Any, ...], place: str) -> None:
    """Refuse a wrapper that would undo an earlier one, or be undone by it."""
    entries = list(_names_and_values(env))
    before, said = dict(entries), None
    potentials = [x for other, x in entries if other == "shape_reward" and isinstance(x, Mapping)]
    gammas = [x.get("gamma", 0.99) for x in potentials]
    if name in before and name not in REPEATABLE:
        said = "is there already; one is enough"
    elif name == "shape_reward" and gammas and isinstance(value[0], Mapping):
        gamma = value[0].get("gamma", 0.99)
        if gammas[0] != gamma:
            said = (
                f"has gamma={gamma}, and an earlier potential has {gammas[0]}; env_params have"
                " one shaping_gamma, so give both the discount of the algorithm"
            )
    elif name == "clip_reward" and potentials:
        said = (
            "comes after shape_reward with a potential, whose clipped differences would change"
            " which policies are best; put it before shape_reward"
        )
    elif name == "flatten" and "obs_dtype" in before:
        said = "comes after obs_dtype, and makes float32 of it; put it before obs_dtype"
    elif name == "time_limit" and LIMIT in (before.get("randomise") or {}):
        said = f"comes after randomise, which draws {LIMIT}; leave one of them out"
    if said:
        raise ConfigError(f"{place}: {name} {said}.")


def _names_and_values(env: Any) -> Iterator[tuple[str, Any]]:
    for entry in entries_of(env):
        if isinstance(entry, Mapping):
            yield from entry.items()
        elif entry is not None:
            yield entry, None


def _as_written(entry: Any) -> Any:
    """An entry with its functions as `"module:name"` and its tuples as lists."""
    if isinstance(entry, Mapping):
        return {name: _as_written(value) for name, value in entry.items()}
    if isinstance(entry, Sequence) and not isinstance(entry, str):
        return [_as_written(value) for value in entry]
    if callable(entry):
        return setting_text(entry)
    item = getattr(entry, "item", None)  # of a number of numpy's
    return entry if item is None else item()
