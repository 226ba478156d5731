"""Colours, labels and dots that the figures of runs, sweeps, demos and worlds share."""

from collections.abc import Iterator
from itertools import cycle, product
from typing import Any

import numpy as np

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#5f5f5f"  # safe for colour-blind readers (Okabe & Ito)
GREEN = "#009e73"
LINE_COLOURS = (BLUE, ORANGE, GREY, GREEN, "#cc79a7")
LINE_DASHES = ("-", "--", ":", "-.")  # after as many lines as there are colours, the next one
LABEL_LENGTH = 32  # two labels of this length are as wide as a panel


def number_text(value: float, _: Any = None) -> str:
    """`50k` for 50000, `-1.5k` for -1500, as a label of an axis; ten digits, so that neighbours
    differ far from zero, too."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1e15:
            return f"{value / size:.10g}{letter}"
    return f"{value:.10g}"


def shortened(text: str, length: int) -> str:
    """The text with its middle left out where it is longer than `length`."""
    kept = length - 1
    return text if len(text) <= length else f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"


def plain(text: str) -> str:
    """A name as a label that matplotlib shows as it is: "$" is no formula, and a label that begins
    with "_" is not left out of the legend."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def dots(values: np.ndarray, size: float = 4.0) -> dict[str, Any]:
    """Options of a line: dots at the points without a neighbour, which as a line could not be
    seen."""
    known = np.pad(np.isfinite(values), 1)
    alone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
    return {"marker": "o", "markersize": size, "markevery": alone.tolist()} if len(alone) else {}


def line_styles() -> Iterator[tuple[str, str]]:
    """The dash and the colour of one line after another."""
    return cycle(product(LINE_DASHES, LINE_COLOURS))


def say(axis, text: str) -> None:
    """Write a text into the middle of a panel without lines."""
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=GREY)


def legend(axis) -> None:
    """A legend below the axis and its label, where it covers no line."""
    if labels := axis.get_legend_handles_labels()[1]:
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "borderaxespad": 4.0}
        columns = 3 if max(map(len, labels)) <= 25 else 2
        axis.legend(**below, ncols=columns, frameon=False, columnspacing=1.4)
