"""The learning curve of a demo: episode length by finished episodes, with the snapshots."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from elsinore.runs.curves.style import BLUE, GREEN, GREY, ORANGE, number_text, plain
from elsinore.runs.curves.values import smoothed
from elsinore.runs.files.whole_file import whole_file
from elsinore.runs.run import Run
from elsinore.runs.store.store import reading
from elsinore.view.demo.episodes import DemoEpisode


def draw_learning(path: Path, run: Run, episodes: Sequence[DemoEpisode], title: str) -> None:
    """Draw the length of training episodes, and of the episodes played at each snapshot."""
    from matplotlib.figure import Figure

    limit = int(run.plan.env_params.max_steps_in_episode)
    with reading(run.path / "metrics.sqlite") as store:
        rows = store.episodes("episode/length", seed=run.experiment.seed)
    until, lengths = np.array([row[4] for row in rows]), np.array([row[5] for row in rows], float)
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(until, lengths, ".", color=GREY, alpha=0.25, markersize=4, label="training episodes")
    axis.plot(until, smoothed(lengths), color=BLUE, linewidth=1.8, label="running mean")
    _draw_snapshots(axis, episodes)
    _draw_stages(axis, run, np.array([row[0] for row in rows]) * run.plan.steps_per_update, until)
    axis.axhline(limit, color=GREY, linestyle="--", linewidth=1)
    axis.set(
        xlabel="finished episodes",
        ylabel="episode length",
        ylim=(0, limit * 1.06),
        xlim=(-0.02 * max(until, default=0), None),
    )
    axis.xaxis.set_major_formatter(number_text)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_title(f"{plain(title)}: episode length during training")
    axis.legend(framealpha=0.9, edgecolor="none", loc="best")
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png")


def _draw_stages(axis, run: Run, env_steps: np.ndarray, episodes: np.ndarray) -> None:
    """A vertical line at the start of each curriculum stage, with its name."""
    for stage in run.summary.get("curriculum", {}).get("course", [[]])[0]:
        at = np.interp(stage["env_steps"], [0, *env_steps], [0, *episodes])
        axis.axvline(at, color=GREEN, alpha=0.6, linewidth=1, zorder=0)
        above = axis.get_xaxis_transform()
        axis.text(
            at,
            0.02,
            f" {plain(stage['stage'])}",
            transform=above,
            color=GREEN,
            rotation=90,
            va="bottom",
        )


def _draw_snapshots(axis, episodes: Sequence[DemoEpisode]) -> None:
    """Mean, shortest and longest length of the episodes played at each snapshot."""
    at = np.array([episode.episodes for episode in episodes])
    means = np.array([np.mean(episode.lengths) for episode in episodes])
    shortest, longest = (np.array([end(one.lengths) for one in episodes]) for end in (min, max))
    axis.errorbar(
        at,
        means,
        [means - shortest, longest - means],
        fmt="o",
        color=ORANGE,
        capsize=3,
        markersize=7,
        zorder=5,
        label=f"{len(episodes[0].lengths)} new episodes: mean, shortest, longest",
    )
