"""The training curves of a run: returns, losses, and their spread over seeds."""

from itertools import cycle, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from elsinore.runs.curriculum_log import STAGE_METRIC
from elsinore.runs.curves.style import (
    BLUE,
    GREEN,
    GREY,
    LINE_COLOURS,
    LINE_DASHES,
    ORANGE,
    dots,
    number_text,
    plain,
    shortened,
)
from elsinore.runs.curves.values import (
    by_seed,
    learning_values,
    mean_of,
    smoothed,
    values_by_seed,
)
from elsinore.runs.files.natural import natural
from elsinore.runs.members import best_in, members_in
from elsinore.runs.records import Row
from elsinore.runs.statistics import ci95
from elsinore.runs.store.store import reading

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABEL_LENGTH = 32  # two labels of this length are as wide as a panel


def training_figure(
    database: Path, title: str, goal: float | None = None, each: str = "seed"
) -> "Figure":
    """Draw four panels from a run's store: training return, evaluation return, losses, and other
    metrics of the algorithm (of its policy, or action values with the exploration rate).

    Args:
        goal: the target return, as a dashed line.
        each: "seed", or "replica" of a population, whose means and interval are those of the best
            member, for members differ in settings.
    """
    from elsinore.runs.curves.notebook_figure import NotebookFigure

    with reading(database) as store:
        rows, steps, info = store.rows(agent=""), store.steps_per_update(), store.info()
    member, counted = _best_member(info, rows)
    over = "seed" if member else each
    figure = NotebookFigure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplots(2, 2)
    _training(axes[0, 0], rows, steps, each)
    _evaluation(axes[0, 1], rows, counted, steps, goal, over)
    names = {row.name for row in rows}
    panels = [("losses", loss_labels(names)), other_labels(names)]
    mean = f", mean over {over}s" if len({row.seed for row in counted}) > 1 else ""
    for axis, (heading, labels) in zip(axes[1], panels, strict=True):
        _lines(axis, counted, steps, heading + mean, labels)
    if "schedule/epsilon" in names:
        _exploration(axes[1, 1], rows, steps)
    for axis in axes.flat:
        axis.set_xlabel("env steps of one seed")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.xaxis.set_major_formatter(number_text)
    for axis in axes[0]:
        axis.yaxis.set_major_formatter(number_text)
        _stages(axis, rows, steps)
    best = f"\nmeans: the best member, {member}" if member else ""
    figure.suptitle(plain(title + best), wrap=True)
    return figure


def _best_member(info: dict, rows: list[Row]) -> tuple[str, list[Row]]:
    """The name of a population's best member by the newest evaluations, and the rows of its seeds;
    "" and all rows without members."""
    members = members_in(info)
    if len(members) < 2:
        return "", rows
    newest = {row.seed: row.value for row in rows if row.name == "eval/return"}
    seeds = best_in(info, newest)
    name = members[(seeds[0] - info.get("first_seed", 0)) // len(seeds)]
    return name, [row for row in rows if row.seed in seeds]


def _say(axis, text: str) -> None:
    axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", color=GREY)


def _legend(axis) -> None:
    """Below the axis and its label, where it covers no line."""
    if labels := axis.get_legend_handles_labels()[1]:
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.0), "borderaxespad": 4.0}
        columns = 3 if max(map(len, labels)) <= 25 else 2
        axis.legend(**below, ncols=columns, frameon=False, columnspacing=1.4)


def _training(axis, rows: list[Row], steps: int, each: str) -> None:
    curves = by_seed(rows, "episode/return")
    for updates, values in curves.values():
        for line, style in (
            (values, {"color": GREY, "alpha": 0.3, "linewidth": 0.8}),
            (smoothed(values), {"color": BLUE, "alpha": 0.8, "linewidth": 1.4}),
        ):
            axis.plot(updates * steps, line, **style, **dots(line))
    axis.plot([], [], color=GREY, alpha=0.5, label=f"raw, each {each}")
    axis.plot([], [], color=BLUE, label=f"smoothed, each {each}")
    axis.set_title("training: return of finished episodes")
    _legend(axis) if curves else _say(axis, "no finished episodes")


def _evaluation(
    axis, rows: list[Row], counted: list[Row], steps: int, goal: float | None, each: str
) -> None:
    """A line of each seed in `rows`, and the mean of those in `counted`."""
    updates, values = values_by_seed(rows, "eval/return")
    for seed in values:
        axis.plot(updates * steps, seed, color=GREY, alpha=0.35, linewidth=0.8, **dots(seed))
    updates, values = values_by_seed(counted, "eval/return")
    if len(updates):
        axis.plot(
            updates * steps,
            mean_of(values),
            color=ORANGE,
            marker="o",
            markersize=3,
            label=f"mean over {each}s" if len(values) > 1 else f"the {each}",
        )
        finite = [column[np.isfinite(column)] for column in values.T]
        bands = [ci95(seeds, statistic=np.mean) or (np.nan, np.nan) for seeds in finite]
        if each == "seed" and len(values) > 1 and np.isfinite(bands).any():
            low, high = np.array(bands).T
            axis.fill_between(
                updates * steps,
                low,
                high,
                color=ORANGE,
                alpha=0.2,
                label="95 % interval over seeds",
            )
    if goal is not None:
        axis.axhline(
            goal, color=BLUE, linestyle="--", linewidth=1, label=f"target {number_text(goal)}"
        )
    axis.set_title("evaluation: first episodes of fresh environments")
    _legend(axis) if len(updates) else _say(axis, "no evaluations")


def _stages(axis, rows: list[Row], steps: int) -> None:
    """A vertical line for each change of stage, dotted for a retreat; with the stage's number for a
    single seed."""
    curves = by_seed(rows, STAGE_METRIC)
    for updates, stages in curves.values():
        for i in np.flatnonzero(np.diff(stages, prepend=0.0)):
            back = i > 0 and stages[i] < stages[i - 1]
            at = updates[i] * steps
            axis.axvline(
                at, color=GREEN, alpha=0.6, linewidth=1, linestyle=":" if back else "-", zorder=0
            )
            if len(curves) == 1:
                axis.text(
                    at,
                    1.0,
                    f"{stages[i]:g}",
                    transform=axis.get_xaxis_transform(),
                    color=GREEN,
                    fontsize=7,
                )
    if curves:
        axis.plot([], [], color=GREEN, label="another stage")
        _legend(axis)


def loss_labels(names: set[str]) -> dict[str, str]:
    """The losses among the names of metrics, with their labels; `loss/total` only if it is the only
    one."""
    known = {
        "loss/policy": "policy",
        "loss/value": "value",
        "loss/td_error": "|TD error|",
        "rnd/loss": "RND",
    }
    others = sorted(
        (name for name in names if name.startswith("loss/") and name not in known), key=natural
    )
    found = {
        name: known.get(name, name.removeprefix("loss/"))
        for name in (*known, *others)
        if name in names
    }
    return {name: label for name, label in found.items() if name != "loss/total" or len(found) == 1}


def other_labels(names: set[str]) -> tuple[str, dict[str, str]]:
    """The title of the last panel, and the labels of its metrics: the first group with a metric
    among `names`."""
    groups = {
        "policy": {
            "policy/entropy": "entropy",
            "policy/temperature": "temperature",
            "policy/kl": "KL of an update",
            "policy/clip_fraction": "clipped",
        },
        "action values": {"value/q": "Q of the training batch"},
        "learning": {
            "learner/gradient_norm": "gradient norm",
            "schedule/learning_rate": "learning rate",
        },
    }
    for title, group in groups.items():
        if found := {name: label for name, label in group.items() if name in names}:
            return title, found
    return "learning", {}


def _lines(axis, rows: list[Row], steps: int, title: str, names: dict[str, str]) -> None:
    drawn = []
    styles = cycle(product(LINE_DASHES, LINE_COLOURS))
    for (dash, colour), (name, label) in zip(styles, names.items(), strict=False):
        updates, values = learning_values(rows, name)
        drawn.append(mean_of(values))
        style = {"color": colour, "linestyle": dash, "linewidth": 1.2}
        style["label"] = plain(shortened(label, LABEL_LENGTH))
        axis.plot(updates * steps, drawn[-1], **style, **dots(drawn[-1]))
    if spans_decades(np.concatenate(drawn or [np.zeros(0)])):
        axis.set_yscale("symlog", linthresh=1e-2)
        axis.yaxis.get_major_locator().set_params(numticks=8)
    else:
        axis.yaxis.set_major_formatter(number_text)
    axis.set_title(title)
    if not drawn:
        _say(axis, "no metrics")
    _legend(axis)


def spans_decades(values: np.ndarray) -> bool:
    """True if the largest value is more than a hundred times a small one (the 5 % percentile), so
    that a linear axis would flatten the small ones."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0.0)])
    return len(sizes) > 0 and bool(sizes.max() > 100.0 * np.percentile(sizes, 5))


def _exploration(axis, rows: list[Row], steps: int) -> None:
    """The share of random actions, on a second axis at the right."""
    updates, values = learning_values(rows, "schedule/epsilon")
    right = axis.twinx()
    mean = mean_of(values)
    right.plot(updates * steps, mean, color=GREY, linestyle="--", linewidth=1.2, **dots(mean))
    axis.plot([], [], color=GREY, linestyle="--", label="random actions (right)")
    right.set_ylim(0.0, 1.05)
    right.spines["top"].set_visible(False)
    _legend(axis)
