"""training_curves.png of a run: while it trains, at its end, and where it was cut short."""

import logging
import time
from contextlib import suppress

from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.runs.budgets import ending
from elsinore.runs.curves.figure import draw_training_curves
from elsinore.runs.records import ChunkRecord
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import Stop

log = logging.getLogger("elsinore")
ARTIFACT_SECONDS = 3.0  # expected for the curves, and for the exported policy
SHARE = 0.01  # of the time, that drawing while a run trains may take


def draw_run(folder: RunDir, plan: Plan, how: str) -> None:
    """Draw the curves of a run; `how` it ended is in their title."""
    experiment = plan.experiment
    title = f"{experiment.algorithms} on {experiment.env}, {_counted(experiment)}: {ending(how)}"
    each, target = "replica" if experiment.vary else "seed", experiment.convergence.target
    draw_training_curves(folder.database, folder.curves, title, target, each=each)


def draw_unfinished(folder: RunDir, plan: Plan, stop: Stop) -> None:
    """Draw the curves of a run that ends without a summary, where there is time for it."""
    if folder.summary.exists() or stop.seconds_left < 2 * ARTIFACT_SECONDS:
        return
    with suppress(Exception):  # a broken store, or no chunk: an error is on its way already
        draw_run(folder, plan, "unfinished")


class LiveCurves:
    """Redraws the curves of a run at least `seconds` apart, in at most a hundredth of the time."""

    def __init__(self, folder: RunDir, plan: Plan, seconds: float):
        self._folder, self._plan, self._seconds = folder, plan, seconds
        self._next = time.monotonic() + seconds

    def write(self, record: ChunkRecord) -> None:
        began = time.monotonic()
        if began < self._next:
            return
        draw_run(self._folder, self._plan, f"training, {record.env_steps:,} env steps")
        now = time.monotonic()
        self._next = now + max(self._seconds, (now - began) / SHARE)


def _counted(experiment: Experiment) -> str:
    """Number of seeds, or of members with seeds."""
    seeds = f"{experiment.seeds} seed{'s' if experiment.seeds > 1 else ''}"
    return f"{experiment.members} members with {seeds} each" if experiment.vary else seeds
