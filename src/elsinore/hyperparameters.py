"""The numbers of a config that may differ between the seeds of one compiled program.

    @config_records.settings
    class MyConfig:
        gamma: float = traced(0.99)
        learning_rate: float = traced(1e-3)
        learning_rate_final: float | None = traced(None, absent="learning_rate")

`numbers_of(config)` is the record of them, `hyper.gamma` and so on, that a program is given as
arrays.
"""

import dataclasses
import functools
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

NO_VALUE = object()  # no value at all: None may be one


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
