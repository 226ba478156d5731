"""Probability of improvement of each pair."""

from typing import Any

import numpy as np

from elsinore.analysis.compare.figures.style import FAINT, PALETTE, columns_for, panels
from elsinore.analysis.compare.scores import Pair, Scores

MAX_LISTED_PAIRS = 6  # more pairs are drawn as a matrix


def draw_improvement(scores: Scores) -> Any:
    """One panel per environment, preceded by one over all if there are several."""
    groups = {env: scores.pairs(env) for env in scores.envs}
    if len(scores.shared_envs) > 1:
        groups = {
            f"{len(scores.shared_envs)} environments together": scores.pairs_over_envs()
        } | groups
    groups = {title: pairs for title, pairs in groups.items() if pairs}
    rows = max(len(pairs) for pairs in groups.values())
    if rows > MAX_LISTED_PAIRS:
        figure, axes = panels(
            len(groups), 1.2 + 0.4 * len(scores.labels), columns=columns_for(scores.labels)
        )
    else:
        names = [_name(pair) for pairs in groups.values() for pair in pairs]
        figure, axes = panels(len(groups), 0.95 + 0.4 * rows, columns=columns_for(names, 24))
    for axis, (title, pairs) in zip(axes, groups.items(), strict=True):
        if rows > MAX_LISTED_PAIRS:
            _matrix(axis, pairs, scores.labels)
        else:
            _list(axis, pairs)
        axis.set_title(title)
    return figure


def _list(axis: Any, pairs: list[Pair]) -> None:
    """One row per pair, with its interval."""
    axis.axvline(0.5, color=FAINT, linewidth=1, linestyle=(0, (3, 2)))
    for y, pair in enumerate(pairs):
        value, interval = pair.probability.value, pair.probability.ci95
        ink = PALETTE[0] if pair.is_clear else FAINT
        if interval:
            axis.plot(interval, [y, y], color=ink, linewidth=7, alpha=0.35, solid_capstyle="butt")
        axis.plot([value], [y], "|", color=ink, markersize=15, markeredgewidth=2.6)
    axis.set_yticks(range(len(pairs)), [_name(pair) for pair in pairs])
    axis.set_ylim(len(pairs) - 0.5, -0.5)
    axis.set_xlim(-0.02, 1.02)
    axis.set_xlabel("P(a run of the first beats one of the second)")
    axis.grid(axis="y", visible=False)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def _matrix(axis: Any, pairs: list[Pair], labels: list[str]) -> None:
    """Row against column; clear differences are bold."""
    from matplotlib.colors import LinearSegmentedColormap

    here = [label for label in labels if any(label in (pair.x, pair.y) for pair in pairs)]
    chances = np.full((len(here), len(here)), np.nan)
    clear = np.zeros_like(chances, dtype=bool)
    for pair in pairs:
        i, j = here.index(pair.x), here.index(pair.y)
        chances[i, j], chances[j, i] = pair.probability.value, 1 - pair.probability.value
        clear[i, j] = clear[j, i] = pair.is_clear
    colours = LinearSegmentedColormap.from_list("worse_better", [PALETTE[1], "#ffffff", PALETTE[0]])
    # limits beyond [0, 1] keep colours pale behind the text
    axis.imshow(chances, cmap=colours, vmin=-0.25, vmax=1.25, aspect="auto")
    for (i, j), chance in np.ndenumerate(chances):
        if np.isfinite(chance):
            weight = "bold" if clear[i, j] else "normal"
            axis.text(
                j, i, f"{chance:.2f}", ha="center", va="center", fontsize=9, fontweight=weight
            )
    axis.set_yticks(range(len(here)), here)
    axis.set_xticks(range(len(here)), here, rotation=35, ha="right", rotation_mode="anchor")
    axis.set_xlabel("P(a run of the row beats one of the column); bold: clear")
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[["left", "bottom"]].set_visible(False)


def _name(pair: Pair) -> str:
    return f"{pair.x} > {pair.y}"
