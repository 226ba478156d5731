"""The order of names in which numbers count: `agent_2` comes before `agent_10`."""

import re


def natural(name: object) -> tuple[list[tuple[int, int, str]], str]:
    """A key that sorts names as people do: numbers by value, the rest as text."""
    text = str(name)
    parts = re.findall(r"([0-9]+)|([^0-9]+)", text)
    return [(not number, int(number or 0), other) for number, other in parts], text
