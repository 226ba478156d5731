"""Performance profiles: the share of runs above each return."""

from typing import Any

import numpy as np

from elsinore.analysis.compare.figures.style import (
    colour,
    dash,
    legend_columns,
    panels,
    say_if_equal,
    width,
)
from elsinore.analysis.compare.scores import Scores
from elsinore.runs.curves.style import number_text
from elsinore.runs.statistics import Strata, performance_profile


def draw_profiles(scores: Scores) -> Any:
    """One panel of returns per environment, preceded by one of normalised returns if several."""
    together = len(scores.shared_envs) > 1
    figure, axes = panels(len(scores.envs) + together, 3.4)
    lines: dict[str, Any] = {}  # one of each label, for the legend
    if together:
        normalised = {label: scores.normalised(label) for label in scores.labels}
        lines |= _profiles(axes[0], scores, normalised)
        axes[0].set_title(f"{len(scores.shared_envs)} environments together")
        axes[0].set_xlabel("normalised return τ")
    for axis, env in zip(axes[together:], scores.envs, strict=True):
        returns = {result.label: [scores.returns(result)] for result in scores.in_env(env)}
        lines |= _profiles(axis, scores, returns)
        axis.set_title(env)
        axis.set_xlabel("return τ")
    columns = legend_columns(scores.labels)
    further = -(-len(scores.labels) // columns) - 1  # lines of the legend
    figure.set_figheight(figure.get_figheight() + 0.2 * further)
    figure.legend(
        [lines[label] for label in scores.labels],
        scores.labels,
        loc="outside upper left",
        frameon=False,
        ncols=columns,
    )
    return figure


def _profiles(axis: Any, scores: Scores, strata: dict[str, Strata]) -> dict[str, Any]:
    """Draw the profiles of one panel; the line of each label."""
    lines = {}
    everything = np.concatenate([runs for these in strata.values() for runs in these])
    margin = 0.04 * (np.ptp(everything) or 1.0)
    low, high = everything.min() - margin, everything.max() + margin
    levels = np.unique([low, high, *np.linspace(low, high, 200), *everything])
    for label, runs in strata.items():
        ink, (share, band) = colour(scores.labels, label), performance_profile(runs, levels)
        (lines[label],) = axis.step(
            levels,
            share,
            where="post",
            color=ink,
            linewidth=width(scores.labels, label),
            linestyle=dash(scores.labels, label),
        )
        if band is not None:
            axis.fill_between(levels, *band, step="post", color=ink, alpha=0.14, linewidth=0)
    if not say_if_equal(axis, everything):
        axis.set_xlim(low, high)
    axis.set_ylim(-0.02, 1.04)
    axis.xaxis.set_major_formatter(number_text)
    axis.set_ylabel("share of runs with return > τ")
    return lines
