"""Checks that all records of a Hamlet world file share."""

import math
from typing import Any, ClassVar

from elsinore import validation
from elsinore.config.parse import convert


class WorldRecord:
    """A frozen dataclass of a world file, built by `config.parse`.

    Its numbers are finite; mappings, such as amounts by meter, are of floats. A subclass names the
    fields that hold a share, from 0 to 1, an amount of at least 0, a count of at least 1, a pair of
    numbers, or a cell.
    """

    shares: ClassVar[tuple[str, ...]] = ()
    amounts: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[tuple[str, ...]] = ()
    pairs: ClassVar[tuple[str, ...]] = ()
    cells: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, dict):
                by_name = {key: convert(float, x, f"{name}.{key}") for key, x in value.items()}
                object.__setattr__(self, name, by_name)
                value = by_name
            for x in _numbers(value):
                if not math.isfinite(x):
                    raise ValueError(f"{name}={value} must be finite.")
                if name in self.shares and not 0 <= x <= 1:
                    raise ValueError(f"{name}={value} must lie in [0, 1].")
        validation.not_negative(self, *self.amounts)
        validation.at_least(self, 1, *self.counts)
        for name in self.pairs:
            if (value := getattr(self, name)) is not None and len(value) != 2:
                raise ValueError(f"{name}={list(value)} must be two numbers.")
        for name in self.cells:
            check_cell(self, name)


def _numbers(value: Any) -> list[float]:
    values = value.values() if isinstance(value, dict) else value
    values = values if isinstance(value, dict | tuple) else [value]
    return [x for x in values if isinstance(x, float)]


def check_cell(record: Any, name: str) -> None:
    """A cell in a file is a list; in a record it is a tuple."""
    value = getattr(record, name)
    if value == "random":
        return
    whole = isinstance(value, list | tuple) and all(type(x) is int for x in value)
    if not whole or len(value) != 2:
        raise ValueError(f"{name}={value!r} must be random, or a cell such as [0, 3].")
    object.__setattr__(record, name, tuple(value))
