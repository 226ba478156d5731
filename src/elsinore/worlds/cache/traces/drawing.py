"""The picture of a replay: hit and byte-hit ratio of every policy over the capacity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elsinore.runs.curves.style import plain
from elsinore.runs.files.whole_file import write_figure
from elsinore.worlds.cache.trace import ORACLES, Counts
from elsinore.worlds.cache.traces.capacities import Capacity

MARKERS = ("s", "D")  # of the oracles, whose ratios are often equal
Results = Mapping[Capacity, Mapping[str, Counts]]


def draw_hit_ratios(results: Results, target: Path, title: str) -> None:
    """Draw a row of panels for each unit of capacity: hit ratios, and in bytes byte hit ratios
    too."""
    from matplotlib.figure import Figure

    units = [unit for unit in ("objects", "bytes") if any(c.unit == unit for c in results)]
    figure = Figure(figsize=(11, 4.5 * len(units)), layout="constrained")
    axes = figure.subplots(len(units), 2, squeeze=False)
    for row, unit in zip(axes, units, strict=True):
        some = dict(sorted((c, counts) for c, counts in results.items() if c.unit == unit))
        _panel(row[0], some, "hit_ratio", f"hit ratio, capacity in {unit}")
        if unit == "bytes":
            _panel(row[1], some, "byte_hit_ratio", "byte hit ratio")
        else:
            row[1].set_axis_off()  # objects all weigh 1: the ratios are the same
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(plain(title))
    write_figure(figure, target)


def _panel(axis, results: Results, what: str, heading: str) -> None:
    names = list(dict.fromkeys(name for counts in results.values() for name in counts))
    for i, name in enumerate(names):
        points = [
            (c.amount, getattr(counts[name], what))
            for c, counts in results.items()
            if name in counts
        ]
        style: dict[str, Any] = {"color": f"C{i % 10}", "marker": "o"}
        if name in ORACLES:
            marker = MARKERS[ORACLES.index(name)]
            style = {"color": "black", "linestyle": ":", "marker": marker, "fillstyle": "none"}
        if name.startswith("run "):
            style = {"color": "#d55e00", "linewidth": 2.5, "marker": "o"}
        axis.plot(*zip(*points, strict=True), markersize=4, label=plain(name), **style)
    axis.set_xscale("log")
    amounts = {capacity.amount: capacity.text for capacity in results}
    axis.set_xticks(list(amounts), list(amounts.values()))
    axis.set_xticks([], minor=True)
    if len(amounts) == 1:
        (only,) = amounts
        axis.set_xlim(only / 2, only * 2)
    axis.set_xlabel("capacity")
    axis.set_title(heading)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
