"""Build frozen dataclasses from plain dicts; every refusal names the field and a remedy.

A library is not used for this: those tried ignore unknown keys, guess union members, or lose the
message of a refused value.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from elsinore.algos.registry import ALGORITHMS, config_type
from elsinore.config.hints import algorithm_hint, setting_hint
from elsinore.errors import ConfigError, setting_text, user_code
from elsinore.hyperparameters import value_of
from elsinore.imports import UntrustedName
from elsinore.validation import A_COUNT_OF_SEEDS, did_you_mean


@dataclasses.dataclass(frozen=True)
class RecordedAlgorithm:
    """An algorithm's settings as a run's file has them, where its code is not to be imported; each
    is an attribute."""

    settings: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(name) from None


def build(cls: type, data: Any, path: str = "") -> Any:
    """Build the dataclass `cls` from nested dicts; keys that are left out have their defaults.

    Args:
        path: the place of `data` in the config, for error messages.

    Raises:
        ConfigError: for an unknown key (with the closest known one), a value of another type, or a
            value that the dataclass itself refuses.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path or 'the config'}={data!r} must be a mapping with the keys:"
            f" {_listed(cls)}{_example(cls, data)}."
        )
    hints = _hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    values = {}
    for key, value in data.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in fields:
            prefix = f"{path}." if path else ""
            close = did_you_mean(key, fields, 0.5, "the settings here are", prefix)
            meant = setting_hint(str(key), path, fields) or _in_a_group(key, hints, prefix)
            raise ConfigError(
                f"{here} is not a setting{f'; did you mean {meant!r}?' if meant else close}"
            )
        values[key] = convert(hints[key], _completed(_default(fields[key]), value), here)
    for name, f in fields.items():
        if name not in values and _default(f) is dataclasses.MISSING:
            raise ConfigError(
                f"{f'{path}.{name}' if path else name} has no default; give it a value."
            )
    try:
        return cls(**values)
    except ConfigError:
        raise
    except ValueError as error:
        text = str(error)
        about_field = text.split("=")[0] in fields
        raise ConfigError(
            f"{path}{'.' if about_field else ': '}{text}" if path else text
        ) from error


def _example(cls: type, value: Any) -> str:
    """An example of the mapping that a group of settings is: of its first with the value that is
    given in place of the group, or a default, and for `true` that of none; empty without one."""
    given = [f for f in dataclasses.fields(cls) if f.init]
    plain = [f for f in given if isinstance(_default(f), bool | int | float | str)]
    hint = _hints(cls)[given[0].name] if given else None
    if type(value) in (int, float) and type(value) in (hint, *typing.get_args(hint)):
        return f", such as {{{given[0].name}: {value}}}"
    if not plain:
        return ""
    default = _default(plain[0])
    default = str(value is True).lower() if isinstance(default, bool) else default
    empty = ", or {} for the defaults" if value is True and len(plain) == len(given) else ""
    return f", such as {{{plain[0].name}: {default}}}{empty}"


def _in_a_group(name: Any, hints: dict[str, Any], prefix: str) -> str | None:
    """The dotted setting of that name in the one group that has it; None of several, or none."""
    found = [
        f"{prefix}{group}.{name}"
        for group, hint in hints.items()
        if name in getattr(hint, "__dataclass_fields__", {})
    ]
    return found[0] if len(found) == 1 else None


def _default(f: dataclasses.Field) -> Any:
    return f.default if f.default_factory is dataclasses.MISSING else f.default_factory()


def _completed(default: Any, value: Any) -> Any:
    """Fill a mapping with the field's own default, which may differ from the default of its
    type."""
    if not (dataclasses.is_dataclass(default) and isinstance(value, dict)):
        return value
    own = {f.name: getattr(default, f.name) for f in dataclasses.fields(default) if f.init}
    return own | {key: _completed(own.get(key), given) for key, given in value.items()}


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except Exception as error:  # evaluating an annotation that is text may raise anything
        raise ConfigError(f"the annotations of {cls.__name__} cannot be read: {error}.") from error


def build_algo(data: Any, path: str = "algo") -> Any:
    """Build an algorithm's config from its name, `"ppo"` or `"module:function"`, or from a mapping
    with a `name`; of an `UntrustedName` the settings as they are, a `RecordedAlgorithm`.

    Raises:
        ConfigError: as `build`, and for an algorithm that is unknown or breaks the contract, or
            settings that cannot be written to a config file and read again.
    """
    data = {"name": data} if isinstance(data, str) else data
    if not isinstance(data, dict):
        raise ConfigError(f"{path}={data!r} must be an algorithm's name or a mapping with one.")
    if isinstance(data.get("name"), UntrustedName):
        return RecordedAlgorithm(data)
    name = data.get("name", "ppo")
    hint = algorithm_hint(name) if isinstance(name, str) else None
    if hint is not None:
        raise ConfigError(
            f"algo={name!r} is not here: {hint}. Known: {', '.join(ALGORITHMS)}; a custom algorithm"
            " is given as 'module:function'."
        )
    try:
        cls = config_type(name)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    _refuse_anothers_settings(cls, data, path)
    with user_code(algo=cls.name):
        config = build(cls, _without_name(data), path)
    refuse_unwritable(as_dict(config), path)
    again = build(cls, _without_name(as_dict(config)), path)
    if again != config and any(
        _differ(getattr(again, f.name), getattr(config, f.name)) for f in dataclasses.fields(config)
    ):
        raise ConfigError(
            f"{path}={config!r} is not the same once written and read again; use plain values."
        )
    return config


def _differ(again: Any, value: Any) -> bool:
    """True for a setting that is read again as another one; tuples in a mapping are lists then."""
    if isinstance(value, Mapping):
        again, value = as_dict(again), as_dict(value)
    return again != value


def _refuse_anothers_settings(cls: Any, data: dict[str, Any], path: str) -> None:
    """Refuse a setting of another algorithm by naming that algorithm, not the closest setting."""
    for key in _without_name(data):
        if key in cls.__dataclass_fields__:
            continue
        owners = [name for name in ALGORITHMS if key in config_type(name).__dataclass_fields__]
        if owners:
            meant = setting_hint(key, path, cls.__dataclass_fields__)
            raise ConfigError(
                f"{path}.{key} is a setting of {' and '.join(owners)}, not of {cls.name}; leave it"
                f" out, or choose another algorithm."
                f"{f' {meant} is near it.' if meant else ''} {cls.name} has: {_listed(cls)}."
            )


def _without_name(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "name"}


def refuse_unwritable(data: Any, path: str) -> None:
    """Refuse values that config.yaml cannot hold."""
    if isinstance(data, dict | list | tuple):
        if isinstance(data, dict) and (odd := [key for key in data if not isinstance(key, str)]):
            raise ConfigError(f"{path} has the key {odd[0]!r}, which must be text.")
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            refuse_unwritable(
                value, f"{path}.{key}" if isinstance(data, dict) else f"{path}[{key}]"
            )
    elif data is not None and type(data) not in (bool, int, float, str, UntrustedName):
        alone = path.startswith("env_kwargs.") and callable(data)  # such as the rival of a game
        remedy = ", or give the environment as an object: elsinore.train(env)" if alone else ""
        raise ConfigError(
            f"{path}={data!r} cannot be written to a config file; use numbers, text, flags, tuples"
            f" or dicts of them, or None{remedy}."
        )


def convert(hint: Any, value: Any, path: str) -> Any:
    """Convert `value` to the type `hint`: 3 is a float, 0.5 is no int, 1e5 is the int 100000.

    Raises:
        ConfigError: for a value of another type.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        if isinstance(value, str) and str in args:
            return value
        return convert(next(a for a in args if a is not type(None)), value, path)
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else build(typing.cast(type, hint), value, path)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{path}={value!r} must be a list, such as {[value]!r}.")
        return tuple(convert(args[0], item, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            example = "{algo.gamma: [0.9, 0.99]}" if path == "vary" else "{name: value}"
            if changed := changed_in(value):
                example = "{" + ", ".join(f"{name}: {x}" for name, x in changed.items()) + "}"
            raise ConfigError(f"{path}={value!r} must be a mapping, such as {example}.")
        return dict(value)
    return _scalar(hint, value, path)


def changed_in(record: Any) -> dict[str, Any]:
    """The fields of a dataclass that have another value than by default, such as an environment's
    parameters; empty for anything else."""
    if not dataclasses.is_dataclass(record) or isinstance(record, type):
        return {}
    found = {x.name: (getattr(record, x.name), x.default) for x in dataclasses.fields(record)}
    return {name: x for name, (x, default) in found.items() if repr(x) != repr(default)}


def convert_setting(config: Any, name: str, value: Any, path: str) -> Any:
    """Convert text to the type of the setting with that dotted name, such as `algo.gamma`; other
    values, and values of unknown settings, are returned unchanged.

    Raises:
        ConfigError: as `convert`.
    """
    *parents, last = name.split(".")
    owner = value_of(config, ".".join(parents)) if parents else config
    if not isinstance(value, str) or last not in getattr(owner, "__dataclass_fields__", ()):
        return value
    return convert(_hints(type(owner))[last], value, path)


def _scalar(hint: type, value: Any, path: str) -> Any:
    if hint is bool and isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ConfigError(f"{path} is beyond 64 bits; whole numbers are at most 2^63 - 1.")
    if hint in (int, float) and not isinstance(value, bool):
        number = _number(value)
        if number is not None and hint is float:
            return _float32(number, value, path)
        if number is not None and abs(number) < 2**63 and number == int(number):
            return int(number)
    wanted = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if hint not in wanted:
        raise ConfigError(
            f"{path} is annotated with {hint}, which no setting can be; use bool, int, float, str,"
            " tuple[...], dict, a dataclass, or one of these | None."
        )
    remedy = _meant_by_list(hint, value, path)
    if hint is str and callable(value):
        remedy = f" Give it by its name, {setting_text(value)!r}."
    raise ConfigError(f"{path}={value!r} must be {wanted[hint]}.{remedy}")


def _meant_by_list(hint: type, value: Any, path: str) -> str:
    """A remedy for several numbers where a setting has one; empty for others."""
    if not isinstance(value, list) or len(value) < 2 or None in map(_number, value):
        return ""
    if path == "seeds":
        return f" {A_COUNT_OF_SEEDS}"
    if hint is float and path.startswith("algo."):
        return f" To train a population, give a value for each member: vary={{{path}: {value}}}."
    return ""


def _float32(number: float, value: Any, path: str) -> float:
    """A number that float32, in which a program computes, can hold; or an infinity."""
    if math.isnan(number):
        raise ConfigError(f"{path}={value!r} is not a number that can be used; give a finite one.")
    if math.isfinite(number) and abs(number) > (largest := float(np.finfo(np.float32).max)):
        raise ConfigError(f"{path}={value!r} is beyond float32; use at most {largest:.1g}.")
    if 0.0 < abs(number) < (least := float(np.finfo(np.float32).tiny)):
        raise ConfigError(
            f"{path}={value!r} is 0 in float32; use at least {least:.3g}, or 0 where it is allowed."
        )
    return float(number)


def _number(value: Any) -> float | int | None:
    """A number, also one that is written as text, such as "1e-3"; None for anything else."""
    if isinstance(value, int | float):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _listed(cls: type) -> str:
    return ", ".join(f.name for f in dataclasses.fields(cls) if f.init)


def as_dict(config: Any) -> dict[str, Any]:
    """A config as plain dicts and lists, with every default; the inverse of `build`."""
    return _plain(
        config, lambda x: [f for f in dataclasses.fields(x) if f.init or f.name == "name"]
    )


def without_defaults(config: Any) -> dict[str, Any]:
    """A config as plain dicts and lists, without the settings that have their defaults."""
    return _plain(
        config, lambda x: [f for f in dataclasses.fields(x) if getattr(x, f.name) != _default(f)]
    )


def _plain(x: Any, fields_of: Callable[[Any], list[dataclasses.Field]]) -> Any:
    if isinstance(x, RecordedAlgorithm):
        return dict(x.settings)
    if dataclasses.is_dataclass(x):
        return {f.name: _plain(getattr(x, f.name), fields_of) for f in fields_of(x)}
    if isinstance(x, Mapping):
        return {name: _plain(value, fields_of) for name, value in x.items()}
    return [_plain(i, fields_of) for i in x] if isinstance(x, list | tuple) else x
