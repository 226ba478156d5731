"""A metric of every seed over the training, as a small SVG without axes."""

from pathlib import Path

import numpy as np

from elsinore.runs.curves.style import BLUE
from elsinore.runs.curves.values import values_by_seed
from elsinore.runs.records import Row
from elsinore.runs.store.store import reading


def curve_svg(database: Path) -> str:
    """The evaluation return of every seed over the training, as a small SVG without axes."""
    with reading(database) as store:
        rows = store.rows(names=["eval/return"], agent="")
    return rows_svg(rows, "eval/return")


def rows_svg(rows: list[Row], name: str, width: int = 360, height: int = 90) -> str:
    """A metric of every seed as a small SVG without axes, and its range; empty for less than two
    updates."""
    updates, values = values_by_seed(rows, name)
    if len(updates) < 2 or not np.isfinite(values).any():
        return ""
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanmin(values), np.nanmax(values)
    x = (updates - updates[0]) / (updates[-1] - updates[0]) * width
    y = height - 2 - (values - low) / max(high - low, 1e-9) * (height - 4)
    points = [[f"{a:.1f},{b:.1f}" for a, b in zip(x, seed, strict=True) if b == b] for seed in y]
    # a point alone is drawn twice: between round ends it is a dot
    lines = "".join(
        f'<polyline fill="none" stroke="{BLUE}" stroke-linecap="round"'
        f' points="{" ".join(seed * 2 if len(seed) == 1 else seed)}"/>'
        for seed in points
        if seed
    )
    return f'<svg width="{width}" height="{height}">{lines}</svg> {low:g} to {high:g}'
