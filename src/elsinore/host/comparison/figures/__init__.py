"""The pictures of a report, by name; each is made from `Scores` alone."""

from collections.abc import Callable

from elsinore.host.comparison.figures.curves import draw_curves
from elsinore.host.comparison.figures.improvement import draw_improvement
from elsinore.host.comparison.figures.profiles import draw_profiles
from elsinore.host.comparison.figures.returns import draw_over_envs, draw_returns

FIGURES: dict[str, Callable] = {
    "returns": draw_returns,
    "over_envs": draw_over_envs,
    "improvement": draw_improvement,
    "curves": draw_curves,
    "profiles": draw_profiles,
}
