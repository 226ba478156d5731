"""Configs as frozen dataclasses, which refuse values of another type than annotated.

    @record
    class MyConfig:
        size: int = 4

`settings` is a `record` whose fields stand in a chosen order, also among inherited ones.
"""

import copy
import dataclasses
import functools
import itertools
import types
import typing
from numbers import Real
from typing import Any, TypeVar, dataclass_transform

from elsinore.errors import ConfigError

Config = TypeVar("Config")
INHERITED = object()


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
