"""The search space of a sweep: a range of numbers or a list of choices for each setting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elsinore.config.parse import convert_setting
from elsinore.errors import ConfigError

MAX_COUNT = 10_000  # values of a range in a grid
SPAN_KINDS = ("uniform", "log", "int", "choice")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; `log`: uniform in the logarithm; `int`: whole
    numbers only."""

    kind: str  # uniform | log | int
    low: float
    high: float
    count: int | None = None  # the number of values in a grid

    def at(self, unit: float) -> float | int:
        """Map [0, 1) to the range."""
        if self.kind == "int":
            return int(self.low + math.floor(unit * (self.high - self.low + 1)))
        if self.kind == "log":
            return min(max(self.low * (self.high / self.low) ** unit, self.low), self.high)
        return self.low + (self.high - self.low) * unit

    def ends(self) -> list[Any]:
        return [self.low, self.high]

    def unit_of(self, value: float) -> float:
        """The inverse of `at`: 0 at `low`, 1 at `high`."""
        if self.kind == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def grid(self) -> Sequence[Any]:
        """`count` values evenly spread, with both ends; without a count all whole numbers.

        Raises:
            ValueError: for a range of real numbers without a count.
        """
        if self.kind == "int":
            numbers = range(int(self.low), int(self.high) + 1)
            if self.count is None or self.count >= len(numbers):
                return numbers
        if self.count is None:
            raise ValueError(
                "a grid needs a count of values, such as {log: [1e-5, 1e-2], count: 4}"
            )
        if self.count == 1:
            return [self.low]
        spread = [self.at(i / (self.count - 1)) for i in range(self.count - 1)]
        if self.kind == "int":
            spread = [
                round(self.low + (self.high - self.low) * i / (self.count - 1))
                for i in range(self.count - 1)
            ]
        return [*spread, self.high]


@dataclass(frozen=True)
class OneOf:
    """A choice between a few values."""

    values: tuple[Any, ...]

    def at(self, unit: float) -> Any:
        return self.values[int(unit * len(self.values))]

    def ends(self) -> list[Any]:
        return list(self.values)

    def unit_of(self, value: Any) -> float:
        return self.values.index(value) / max(len(self.values) - 1, 1)

    def grid(self) -> Sequence[Any]:
        return self.values


Space = dict[str, Range | OneOf]


def parse_space(data: Any, path: str, config: Any = None) -> Space:
    """`{"algo.gamma": {"uniform": [0.9, 0.999]}, ...}` as ranges and choices.

    With a `config`, choices that are text, such as "1e-3", get the types of its settings.

    Raises:
        ConfigError: naming the setting whose range or choice is refused.
    """
    if not isinstance(data, dict) or not data:
        raise ConfigError(
            f"{path}={data!r} is empty; it must name the settings to search, such as {{algo.gamma:"
            " {uniform: [0.9, 0.999]}}."
        )
    return {str(name): _parsed(given, path, str(name), config) for name, given in data.items()}


def _parsed(given: Any, path: str, name: str, config: Any) -> Range | OneOf:
    path = f"{path}.{name}"
    kinds = [kind for kind in SPAN_KINDS if isinstance(given, dict) and kind in given]
    if len(kinds) != 1 or set(given) - {*kinds, "count"}:
        raise ConfigError(
            f"{path}={given!r} must have one of {', '.join(SPAN_KINDS)}, such as"
            " {log: [1e-5, 1e-2]}."
        )
    kind, values = kinds[0], given[kinds[0]]
    if not isinstance(values, list | tuple) or not values:
        raise ConfigError(f"{path}.{kind}={values!r} must be a list that is not empty.")
    if kind == "choice":
        if any(values.index(x) != i for i, x in enumerate(values)):
            raise ConfigError(f"{path}.choice={values!r} has a value twice.")
        return OneOf(tuple(convert_setting(config, name, x, path) for x in values))
    return _range(kind, values, given.get("count"), path)


def _range(kind: str, values: Any, count: Any, path: str) -> Range:
    numbers = [_number(x, f"{path}.{kind}") for x in values]
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise ConfigError(f"{path}.{kind}={values!r} must be two numbers, the lower first.")
    low, high = numbers
    if kind == "log" and low <= 0:
        raise ConfigError(
            f"{path}.log={values!r} must be above 0; a range that holds 0 can be uniform."
        )
    if kind == "int" and not (low.is_integer() and high.is_integer()):
        raise ConfigError(f"{path}.int={values!r} must be whole numbers.")
    if count is not None and (
        isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_COUNT
    ):
        raise ConfigError(f"{path}.count={count!r} must be a whole number from 1 to {MAX_COUNT:,}.")
    return (
        Range(kind, int(low), int(high), count) if kind == "int" else Range(kind, low, high, count)
    )


def _number(value: Any, path: str) -> float:
    try:  # also text, such as "1e-3"
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{path} holds {value!r}, which is no finite number.")
    return number
