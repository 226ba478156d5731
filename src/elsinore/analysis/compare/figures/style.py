"""Style of all figures: colours for colour-blind readers, direct labels, rendering to bytes."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

# Okabe & Ito without yellow, which is invisible on white; after seven labels lines are dashed.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#444444")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
INK, FAINT = "#1f2430", "#8a8f99"
FIGURE_WIDTH = 9.6  # inches
RC = {
    "font.size": 10, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": "#e6e8ec", "grid.linewidth": 0.8, "xtick.major.size": 3, "ytick.major.size": 3,
    "svg.hashsalt": "elsinore",
    "text.parse_math": False,  # a "$" in a label is a dollar
}  # fmt: skip


def colour(labels: Sequence[str], label: str) -> str:
    return PALETTE[labels.index(label) % len(PALETTE)]


def dash(labels: Sequence[str], label: str) -> Any:
    return DASHES[labels.index(label) // len(PALETTE) % len(DASHES)]


def width(labels: Sequence[str], label: str) -> float:
    """Line width, narrower for later labels, so that coinciding curves all stay visible."""
    return 2.8 - 1.3 * labels.index(label) / max(len(labels) - 1, 1)


def columns_for(labels: Sequence[str], room: int = 14) -> int:
    """Number of panels per row: 2 if every label has at most `room` letters, else 1."""
    return 2 if max(map(len, labels)) <= room else 1


def legend_columns(labels: Sequence[str]) -> int:
    """Number of columns of a legend that is as wide as the figure, at most 6."""
    widest = 0.8 + 0.13 * max(map(len, labels))  # inches: a line, gaps, and wide letters
    return max(1, min(len(labels), 6, int(FIGURE_WIDTH / widest)))


def panels(count: int, height: float, columns: int = 2, **options) -> tuple[Any, list]:
    """A figure with `count` axes, row by row; `height` of one row in inches."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(FIGURE_WIDTH, rows * height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def say_if_equal(axis: Any, values: np.ndarray) -> bool:
    """Give the x axis a width around values [seed] that are all equal, and say so in words, on the
    side where they are not. What is drawn already, such as a threshold, stays within the axis."""
    values = values[np.isfinite(values)]
    if not len(values) or float(np.ptp(values)) > 0.0:
        return False
    low = float(values[0])
    room = max(0.05 * abs(low), 1.0)
    left, right = axis.get_xlim()
    left, right = min(left, low - room), max(right, low + room)
    axis.set_xlim(left, right)
    free = 0.85 if low < (left + right) / 2 else 0.15
    axis.annotate(
        f"every seed: {low:g}",
        (free, 0.5),
        xycoords="axes fraction",
        ha="center",
        va="center",
        fontsize=9,
        color=FAINT,
    )
    return True


def rendered(figure: Any, kind: str) -> bytes:
    """A figure as `svg` or `png` bytes, deterministic."""
    out = io.BytesIO()
    figure.savefig(
        out, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else {"Software": None}
    )
    return out.getvalue()


def label_line_ends(
    axis: Any, ends: Sequence[tuple[str, float, str]], x: float, labels: Sequence[str]
) -> None:
    """Write each (text, y, colour) to the right of a line that ends at (x, y), without overlap; if
    there are more `labels` than colours, after a piece of that line."""
    if not ends:
        return
    shared = len(labels) > len(PALETTE)  # several labels share a colour
    low, high = axis.get_ylim()
    # approximate text height in data units
    gap = (high - low) * 0.15 / axis.get_window_extent().height * 100
    ordered = sorted(ends, key=lambda end: end[1])
    places = spread([end[1] for end in ordered], gap, low, high)
    for (text, _, ink), place in zip(ordered, places, strict=True):
        line = {"arrowstyle": "-", "color": ink, "linestyle": dash(labels, text), "linewidth": 2.0}
        axis.annotate(
            text,
            (x, place),
            (36 if shared else 6, 0),
            arrowprops={**line, "relpos": (0.0, 0.5), "shrinkA": 3, "shrinkB": 4}
            if shared
            else None,
            textcoords="offset points",
            va="center",
            color=ink,
            fontweight="bold",
            fontsize=9.5,
            annotation_clip=False,
        )


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move ascending places as little as possible, so that they are `gap` apart, at most `high`,
    and at least `low` if there is room.

    Groups that touch are merged and centred on the mean of their wanted places.
    """
    groups: list[tuple[float, int]] = []  # (centre, members)
    for place in places:
        group = (place, 1)
        while groups and group[0] - gap * group[1] / 2 < groups[-1][0] + gap * groups[-1][1] / 2:
            centre, members = groups.pop()
            total = members + group[1]
            group = ((centre * members + group[0] * group[1]) / total, total)
        groups.append(group)
    moved = [centre + gap * (i - (n - 1) / 2) for centre, n in groups for i in range(n)]
    ceiling = high - gap * np.arange(len(moved))[::-1]
    floor = np.minimum(low + gap * np.arange(len(moved)), ceiling)
    return list(np.clip(moved, floor, ceiling))
