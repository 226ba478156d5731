"""Final returns: a dot per seed, the interquartile mean and its interval."""

from typing import Any

import numpy as np

from elsinore.analysis.compare.figures.style import FAINT, colour, panels, say_if_equal
from elsinore.analysis.compare.scores import ENV_STATISTICS, Scores
from elsinore.runs.curves.style import number_text

TITLES = {"iqm": "IQM", "mean": "mean", "median": "median of environments"}


def draw_returns(scores: Scores) -> Any:
    """One panel per environment, one row per algorithm."""
    figure, axes = panels(len(scores.envs), 0.95 + 0.42 * len(scores.labels), sharey=True)
    for axis, env in zip(axes, scores.envs, strict=True):
        for result in scores.in_env(env):
            y = scores.labels.index(result.label)
            returns, ink = scores.returns(result), colour(scores.labels, result.label)
            heights = (
                y + np.linspace(-0.22, 0.22, len(returns)) if len(returns) > 1 else np.array([y])
            )
            axis.plot(
                np.sort(returns),
                heights,
                "o",
                color=ink,
                alpha=0.6,
                markersize=3.8,
                markeredgewidth=0,
                zorder=3,
            )
            _interval(axis, y, scores.over_seeds(result, "iqm"), ink)
        threshold = scores.threshold(env)
        if threshold is not None:
            axis.axvline(threshold, color=FAINT, linestyle=(0, (3, 2)), linewidth=1)
            axis.annotate(
                f"threshold {threshold:g}",
                (threshold, 1),
                (-3, -1),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=8,
                color=FAINT,
            )
        _rows(axis, scores.labels)
        say_if_equal(axis, np.concatenate([scores.returns(one) for one in scores.in_env(env)]))
        axis.set_title(env, pad=14)
        axis.set_xlabel("return of the final evaluation")
        axis.xaxis.set_major_formatter(number_text)
    return figure


def draw_over_envs(scores: Scores) -> Any:
    """One panel per statistic of the normalised returns, one row per algorithm."""
    figure, axes = panels(
        len(ENV_STATISTICS), 0.95 + 0.42 * len(scores.labels), columns=3, sharex=True, sharey=True
    )
    for axis, statistic in zip(axes, ENV_STATISTICS, strict=True):
        for y, label in enumerate(scores.labels):
            _interval(axis, y, scores.over_envs(label, statistic), colour(scores.labels, label))
        _rows(axis, scores.labels)
        axis.set_title(TITLES[statistic])
        axis.set_xlabel("normalised return")
    return figure


def _interval(axis: Any, y: float, found: Any, ink: str) -> None:
    if found.ci95:
        axis.plot(found.ci95, [y, y], color=ink, linewidth=7, alpha=0.35, solid_capstyle="butt")
    axis.plot([found.value], [y], "|", color=ink, markersize=15, markeredgewidth=2.6)


def _rows(axis: Any, labels: list[str]) -> None:
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.margins(x=0.06)
