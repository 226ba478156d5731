"""What is to be seen in a program before it is compiled."""

import re


def units(text: str) -> list[tuple[str, str]]:
    """(function, unit) of each call that is marked as a unit of compilation."""
    return re.findall(r'call @(\w+)\(.*compilation_unit = "(\w+)"', text)


def precisions(text: str) -> set[str]:
    """The precisions of the products of matrices."""
    return {*re.findall(r"(?<=precision = \[)\w+|(?<=precision<)\w+", text)}
