"""The course of a demo's learning as a figure: how long each life was, and the moments that are looked at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from elsinore.host.curves import BLUE, GREEN, GREY, ORANGE, smoothed
from elsinore.host.demo.album import Page
from elsinore.host.result import Run
from elsinore.host.store import Store


def draw_learning(path: Path, run: Run, pages: Sequence[Page], title: str) -> None:
    """Steps lived, by episodes finished: of the episodes learnt from, and of those played at each moment."""
    limit = int(run.plan.env_params.max_steps_in_episode)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    store = Store(run.path / "metrics.sqlite", read_only=True)
    rows = store.episodes("episode/length", seed=run.experiment.seed)
    store.close()
    until, lengths = np.array([row[4] for row in rows]), np.array([row[5] for row in rows], float)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(until, lengths, ".", color=GREY, alpha=0.25, markersize=4, label="episodes learnt from")
    axis.plot(until, smoothed(lengths), color=BLUE, linewidth=1.8, label="their running mean")
    _moments(axis, pages)
    _stages(axis, run, np.array([row[0] for row in rows]) * run.plan.steps_per_update, until)
    axis.axhline(limit, color=GREY, linestyle="--", linewidth=1)
    axis.set(xlabel="episodes finished", ylabel="steps lived", ylim=(0, limit * 1.06), xlim=(-0.02 * until[-1], None))
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(f"{title}: how long it lives as it learns")
    axis.legend(framealpha=0.9, edgecolor="none", loc="best")
    FigureCanvasAgg(figure).print_png(str(path))


def _stages(axis, run: Run, env_steps: np.ndarray, episodes: np.ndarray) -> None:
    """Where its curriculum went on, if it has one, with the name of the stage that began."""
    for began in run.summary.get("curriculum", {}).get("course", [[]])[0]:
        at = np.interp(began["env_steps"], env_steps, episodes, left=0.0)
        axis.axvline(at, color=GREEN, alpha=0.6, linewidth=1, zorder=0)
        name = f" {began['stage']}"
        axis.text(at, 0.02, name, transform=axis.get_xaxis_transform(), color=GREEN, rotation=90, va="bottom")


def _moments(axis, pages: Sequence[Page]) -> None:
    """A point for the mean of what was played at each moment, and a line from the shortest life to the longest."""
    at = np.array([page.episodes for page in pages])
    means = np.array([np.mean(page.lengths) for page in pages])
    shortest, longest = (np.array([end(page.lengths) for page in pages]) for end in (min, max))
    axis.errorbar(
        at, means, [means - shortest, longest - means], fmt="o", color=ORANGE, capsize=3, markersize=7, zorder=5,
        label=f"{len(pages[0].lengths)} fresh episodes: mean, shortest, longest",
    )  # fmt: skip
