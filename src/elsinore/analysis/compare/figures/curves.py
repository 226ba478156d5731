"""Sample efficiency: evaluation return against env steps."""

from typing import Any

import numpy as np

from elsinore.analysis.compare.figures.style import (
    FAINT,
    colour,
    columns_for,
    dash,
    label_line_ends,
    panels,
    width,
)
from elsinore.analysis.compare.results import RunResult
from elsinore.analysis.compare.scores import Scores
from elsinore.runs.curves.style import dots, number_text
from elsinore.runs.statistics import ci95, iqm


def draw_sample_efficiency(scores: Scores) -> Any:
    """One panel per environment: IQM over seeds against env steps of one seed, with 95 % band."""
    figure, axes = panels(len(scores.envs), 3.5, columns=columns_for(scores.labels))
    for axis, env in zip(axes, scores.envs, strict=True):
        results = [result for result in scores.in_env(env) if len(result.steps)]
        ends = [_curve(axis, scores, result) for result in results]
        last = max((float(result.steps[-1]) for result in results), default=1.0)
        axis.set_xlim(0, last)
        axis.margins(y=0.08)
        threshold = scores.threshold(env)
        if threshold is not None:
            axis.axhline(threshold, color=FAINT, linestyle=(0, (3, 2)), linewidth=1)
            axis.annotate(
                f"threshold {threshold:g}",
                (0, threshold),
                (4, 2),
                textcoords="offset points",
                fontsize=8,
                color=FAINT,
                va="bottom",
            )
        label_line_ends(axis, ends, last, scores.labels)
        axis.set_title(env)
        axis.set_xlabel("env steps of one seed")
        axis.set_ylabel("evaluation return (IQM)")
        axis.xaxis.set_major_formatter(number_text)
        axis.yaxis.set_major_formatter(number_text)
    return figure


def _curve(axis: Any, scores: Scores, result: RunResult) -> tuple[str, float, str]:
    values, ink = scores.curve(result), colour(scores.labels, result.label)
    middle = iqm(values, axis=0)
    # a single evaluation is a dot at the right end of the axis, and its band has no width
    one = len(middle) == 1
    axis.plot(
        result.steps,
        middle,
        color=ink,
        linewidth=width(scores.labels, result.label),
        linestyle=dash(scores.labels, result.label),
        clip_on=not one,
        **dots(middle, size=6),
    )
    bands = [ci95(column) for column in values.T]
    if all(bands):
        low, high = np.array(bands).T
        edge = {"linewidth": 6 if one else 0, "clip_on": not one}
        axis.fill_between(result.steps, low, high, color=ink, alpha=0.16, **edge)
    return result.label, float(middle[-1]), ink
