"""The panels of returns in the training curves: a line for each seed, or for each agent."""

from collections.abc import Iterable

import numpy as np

from elsinore.runs.curves.style import (
    BLUE,
    GREY,
    LABEL_LENGTH,
    ORANGE,
    dots,
    legend,
    line_styles,
    number_text,
    plain,
    say,
    shortened,
)
from elsinore.runs.curves.values import by_seed, mean_of, smoothed, values_by_seed
from elsinore.runs.records import Row
from elsinore.runs.statistics import ci95

TRAINING, EVALUATION = "episode/return", "eval/return"
TITLES = {
    TRAINING: "training: return of finished episodes",
    EVALUATION: "evaluation: first episodes of fresh environments",
}
NOTHING = {TRAINING: "no finished episodes", EVALUATION: "no evaluations"}


def training_returns(axis, rows: list[Row], steps: int, each: str) -> None:
    curves = by_seed(rows, TRAINING)
    for updates, values in curves.values():
        for line, style in (
            (values, {"color": GREY, "alpha": 0.3, "linewidth": 0.8}),
            (smoothed(values), {"color": BLUE, "alpha": 0.8, "linewidth": 1.4}),
        ):
            axis.plot(updates * steps, line, **style, **dots(line))
    axis.plot([], [], color=GREY, alpha=0.5, label=f"raw, each {each}")
    axis.plot([], [], color=BLUE, label=f"smoothed, each {each}")
    axis.set_title(TITLES[TRAINING])
    legend(axis) if curves else say(axis, NOTHING[TRAINING])


def evaluation_returns(
    axis, rows: list[Row], counted: list[Row], steps: int, goal: float | None, each: str
) -> None:
    """A line of each seed in `rows`, and the mean of those in `counted`."""
    updates, values = values_by_seed(rows, EVALUATION)
    for seed in values:
        axis.plot(updates * steps, seed, color=GREY, alpha=0.35, linewidth=0.8, **dots(seed))
    updates, values = values_by_seed(counted, EVALUATION)
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
    _target(axis, goal)
    axis.set_title(TITLES[EVALUATION])
    legend(axis) if len(updates) else say(axis, NOTHING[EVALUATION])


def returns_of_agents(
    axis,
    rows: list[Row],
    steps: int,
    name: str,
    agents: Iterable[str],
    goal: float | None = None,
) -> None:
    """A line for each agent, its mean over seeds, and a thin one for each of several seeds;
    training returns are smoothed."""
    found, several = False, False
    for (dash, colour), agent in zip(line_styles(), agents, strict=False):
        updates, values = values_by_seed([row for row in rows if row.agent == agent], name)
        drawn = smoothed if name == TRAINING else np.asarray
        found, several = found or len(updates) > 0, several or len(values) > 1
        style = {"color": colour, "linestyle": dash}
        for line in map(drawn, values if len(values) > 1 else ()):
            axis.plot(updates * steps, line, **style, alpha=0.25, linewidth=0.8)
        line = drawn(mean_of(values))
        label = plain(shortened(agent, LABEL_LENGTH))
        axis.plot(updates * steps, line, **style, linewidth=1.4, label=label, **dots(line))
    _target(axis, goal)
    axis.set_title(TITLES[name] + (", mean over seeds" if several else ""))
    legend(axis) if found else say(axis, NOTHING[name])


def _target(axis, goal: float | None) -> None:
    if goal is not None:
        axis.axhline(
            goal, color=BLUE, linestyle="--", linewidth=1, label=f"target {number_text(goal)}"
        )
