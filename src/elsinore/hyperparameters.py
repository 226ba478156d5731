"""The numbers of a config that may differ between the seeds of one compiled program.

    @settings
    class MyConfig:
        gamma: float = traced(0.99)
        learning_rate: float = traced(1e-3)
        learning_rate_final: float | None = traced(None, absent="learning_rate")

`numbers_of(config)` is the record of them, `hyper.gamma` and so on, that a program is given as
arrays.
"""

import copy
import dataclasses
import functools
import itertools
import types
import typing
from collections import namedtuple
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, TypeVar, dataclass_transform

import jax.numpy as jnp

from elsinore.errors import ConfigError

Config = TypeVar("Config")
NO_VALUE = object()  # no value at all: None may be one
INHERITED = object()


@dataclasses.dataclass(frozen=True)
class Mark:
    """A traced field's substitute for None, and the value `off` that needs another program."""

    absent: float | str | None = None
    off: Any = NO_VALUE


def traced(default: float | None, *, absent: float | str | None = None, off: Any = NO_VALUE) -> Any:
    """A field of a config dataclass whose number is traced.

    `absent` is what stands in the equations for None: a number, or the name of another field, whose
    number it is then. At the value `off` what the number belongs to is not compiled, so it cannot
    vary between that and others.
    """
    return dataclasses.field(default=default, metadata={"traced": Mark(absent, off)})


def inherited() -> Any:
    """The default of a field of `settings` that stays as in the base class."""
    return INHERITED


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,)
)
def record(cls: type[Config]) -> type[Config]:
    """Make a class a frozen dataclass that refuses fields of another type than annotated.

    Making one raises ConfigError, which names the field, before the class's own `__post_init__`.
    """
    check = getattr(cls, "__post_init__", lambda self: None)

    def __post_init__(self: Any) -> None:
        if type(self) is made:
            _refuse_other_types(self)
        check(self)

    setattr(cls, "__post_init__", __post_init__)  # noqa: B010
    made: Any = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    return made


def _refuse_other_types(config: Any) -> None:
    hints = _hints(type(config))
    for name in (field.name for field in dataclasses.fields(config) if field.init):
        if name in hints and not _has_type(value := getattr(config, name), hints[name]):
            raise ConfigError(f"{name}={value!r} must be {_described(hints[name])}.")


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except Exception:  # an annotation of custom code that is text may raise anything
        return {}


def _has_type(value: Any, hint: Any) -> bool:
    """True for a value that a field annotated with `hint` can have; whole numbers may be floats,
    numbers scalars of numpy or jax, and tuples lists. Types that no setting has pass."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_has_type(value, arg) for arg in args)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_has_type(x, args[0]) for x in value)
    if hint in (int, float):
        number = isinstance(value, Real) and not isinstance(value, bool)
        whole = hint is float or (number and float(value).is_integer())
        return (number and whole) or getattr(value, "shape", None) == ()
    kind = origin or hint
    known = kind in (bool, str, dict, type(None)) or dataclasses.is_dataclass(kind)
    return not known or isinstance(value, kind)


def _described(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}
    names |= {dict: "a dict", type(None): "None"}
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(map(_described, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return "a tuple such as (64, 64)"
    kind = typing.get_origin(hint) or hint
    return names.get(kind, f"a {kind.__name__}")


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,)
)
def settings(cls: type[Config]) -> type[Config]:
    """Make a class a frozen dataclass with its fields in the order of its body.

    A new field follows the one before it in the body, also among inherited fields. An inherited
    field may be listed again to change its default, or, with `inherited()` for its default, to mark
    where the next new field goes.
    """
    names = list(vars(cls)["__annotations__"])
    earlier = getattr(cls, "__dataclass_fields__", {})
    for name in names:
        if vars(cls).get(name) is INHERITED:
            setattr(cls, name, copy.copy(earlier[name]))
    order = list(earlier)
    order += [name for name in names if name not in earlier]
    for before, name in itertools.pairwise(names):
        if name not in earlier or order.index(name) < order.index(before):
            order.remove(name)
            order.insert(order.index(before) + 1, name)
    made: Any = record(cls)
    made.__dataclass_fields__ = {name: made.__dataclass_fields__[name] for name in order}
    return made


def marks_of(config: Any) -> dict[str, Mark]:
    """The traced fields of a config and of the configs in it, by dotted name: `gamma`,
    `rnd.weight`."""
    marks = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if "traced" in field.metadata:
            marks[field.name] = field.metadata["traced"]
        elif dataclasses.is_dataclass(value):
            marks |= {f"{field.name}.{name}": mark for name, mark in marks_of(value).items()}
    return marks


def numbers_of(config: Any, **more: float) -> Any:
    """A config's traced numbers, and `more` that it does not hold, as a named tuple of float32
    scalars.

    A dot becomes an underscore: `rnd.weight` is `rnd_weight`.
    """
    numbers = {
        field_of(name): _number(config, name, mark) for name, mark in marks_of(config).items()
    } | more
    return _record(tuple(numbers))(**{name: jnp.float32(x) for name, x in numbers.items()})


def over_records(function: Callable[..., Any], hyper: Any, *others: Sequence[Any]) -> Any:
    """`function` of a record of numbers, or of each where groups of agents have their own; `others`
    have an entry for each record, which it gets, too."""
    if isinstance(hyper, tuple) and not hasattr(hyper, "_fields"):
        return tuple(function(*each) for each in zip(hyper, *others, strict=True))
    return function(hyper, *(each[0] for each in others))


def field_of(name: str) -> str:
    """The field of the record that holds the number of that dotted name."""
    return name.replace(".", "_")


def value_of(config: Any, name: str) -> Any:
    """The value of a setting by dotted name; None where there is no such setting."""
    return functools.reduce(lambda part, field: getattr(part, field, None), name.split("."), config)


def varies(config: Any, name: str, value: Any) -> bool:
    """True if a setting can have that value beside others within one compiled program."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    mark = marks_of(config).get(name)
    return number and mark is not None and value != mark.off


def _number(config: Any, name: str, mark: Mark) -> float:
    value = value_of(config, name)
    if value is not None:
        return value
    return value_of(config, mark.absent) if isinstance(mark.absent, str) else mark.absent


@functools.cache
def _record(fields: tuple[str, ...]) -> type:
    return namedtuple("Hyper", fields)
