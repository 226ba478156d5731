"""Parser of capacities: 64 (objects), 1MB, 512KiB, 5% (of the distinct bytes)."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from elsinore.errors import ConfigError
from elsinore.worlds.cache.trace import Trace
from elsinore.worlds.cache.trace.recording import LARGEST_CAPACITY, check_capacity

UNITS = {"B": 1, **{f"{p}B": 1000**k for k, p in enumerate("KMGT", 1)},
         **{f"{p}iB": 1024**k for k, p in enumerate("KMGT", 1)}}  # fmt: skip
FORM = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*|%)")


class Capacity(NamedTuple):
    """A capacity, with its text."""

    amount: int
    unit: str  # objects or bytes
    text: str


def parse_capacities(text: str, trace: Trace) -> list[Capacity]:
    """Parse capacities separated by commas.

    Raises:
        ConfigError: for one that cannot be parsed, or in which nothing of the trace fits.
    """
    return [_capacity(part.strip(), trace) for part in text.split(",")]


def _capacity(text: str, trace: Trace) -> Capacity:
    found = FORM.fullmatch(text)
    names = {name.lower(): size for name, size in UNITS.items()}
    if found is None or (found[2] not in ("", "%") and found[2].lower() not in names):
        raise ConfigError(
            f"--capacity {text!r} is none; write 64 (objects), 1MB, 512KiB or 5% (of the distinct"
            " bytes)."
        )
    # exact: as a float 8.2MB is less than 8,200,000
    # by Decimal: Python refuses to read an integer of more than 4,300 digits
    number = Fraction(Decimal(found[1]))
    unit = "objects" if found[2] == "" else "bytes"
    if found[2] == "%":
        scale = Fraction(int(trace.object_size.sum()), 100)
    else:
        scale = names[found[2].lower()] if found[2] else 1
    if number * scale > LARGEST_CAPACITY:
        raise ConfigError(
            f"--capacity {text!r} is beyond every cache; write one of at most {LARGEST_CAPACITY}"
            f" {unit}."
        )
    if unit == "objects" and number.denominator != 1:
        raise ConfigError(
            f"--capacity {text!r}: objects are whole; for bytes write a unit, such as {text}KB."
        )
    amount = int(number * scale)
    try:
        check_capacity(trace, amount, unit)
    except ValueError as error:
        raise ConfigError(f"--capacity {text!r}: {error}") from None
    return Capacity(amount, unit, text)
