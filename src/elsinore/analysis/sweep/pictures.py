"""The figures of a sweep: parallel_coordinates.png and importance.png."""

from pathlib import Path

from elsinore.analysis.sweep.results import TrialResult, ranked, setting_text
from elsinore.config.search import Sweep
from elsinore.config.search_space import OneOf, Range
from elsinore.errors import counted
from elsinore.runs.curves.style import BLUE, GREY, number_text, plain
from elsinore.runs.files.durable import replacing

PALEST = 0.2  # of the colours, for the worst trial: below it they are hardly seen on white


def draw_coordinates(path: Path, sweep: Sweep, results: list[TrialResult]) -> None:
    """One line per trial through one axis per setting to its score; better trials are darker and
    drawn on top."""
    import matplotlib

    figure, axis = _figure(1.8 * (len(sweep.space) + 1) + 2.0, 5.0)
    scored = [result for result in results if result.score is not None]
    scores = [result.score or 0.0 for result in scored]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    ends = [(0.0, low), (1.0, high)] if high > low else [(0.5, score) for score in scores[:1]]
    shades = matplotlib.colormaps["viridis_r"]
    for result in reversed(ranked(scored, sweep.config.mode)):
        units = [span.unit_of(result.settings[name]) for name, span in sweep.space.items()]
        place = ((result.score or 0.0) - low) / (high - low) if high > low else 0.5
        good = place if sweep.config.mode == "max" else 1.0 - place
        whole = result.is_whole
        axis.plot(
            [*units, place],
            color=shades(PALEST + (1.0 - PALEST) * good) if whole else GREY,
            alpha=0.8 if whole else 0.25,
            linewidth=1.2,
        )
    for i, (name, span) in enumerate(sweep.space.items()):
        written = number_text if name == "env_steps" else lambda x: x
        ends_or_choices = span.values if isinstance(span, OneOf) else span.ends()
        _ticks(axis, i, [(span.unit_of(x), written(x)) for x in ends_or_choices])
    _ticks(axis, len(sweep.space), ends)
    names = [
        plain(name.removeprefix("algo."))
        + ("\n(log)" if isinstance(span, Range) and span.kind == "log" else "")
        for name, span in sweep.space.items()
    ]
    axis.set_xticks(range(len(names) + 1), [*names, sweep.config.metric])
    axis.set_yticks([])
    axis.set_xlim(-0.3, len(names) + 0.6)
    axis.set_ylim(-0.05, 1.05)
    axis.spines[:].set_visible(False)
    trials, seeds = counted(len(scored), "trial"), counted(sweep.experiment.seeds, "seed")
    pruned = "" if all(result.is_whole for result in scored) else "; grey: pruned"
    axis.set_title(f"{trials}, mean over {seeds}{pruned}")
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png")


def draw_importance(path: Path, method: str, values: dict[str, float]) -> None:
    """One bar per setting, the largest on top; the title names the method."""
    figure, axis = _figure(8.0, 1.2 + 0.45 * len(values))
    names = list(values)[::-1]
    axis.barh(
        [plain(name.removeprefix("algo.")) for name in names],
        [values[name] for name in names],
        color=BLUE,
    )
    axis.set_title(method, fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlim(left=0.0)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png")


def _ticks(axis, x: float, marks: list[tuple[float, object]]) -> None:
    axis.axvline(x, color="black", linewidth=0.8)
    for y, value in marks:
        axis.text(
            x + 0.04,
            y,
            f"{value:g}" if isinstance(value, float) else plain(setting_text(value)),
            fontsize=8,
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        )


def _figure(width: float, height: float):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
