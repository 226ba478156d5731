"""training_curves.png of a run: while it trains, at its end, and where it was cut short."""

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.errors import counted
from elsinore.runs.budgets import ending
from elsinore.runs.curves.figure import training_figure
from elsinore.runs.files.durable import replacing
from elsinore.runs.records import ChunkRecord
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import Stop

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger("elsinore")
ARTIFACT_SECONDS = 3.0  # expected for the curves, and for the exported policy
SHARE = 0.01  # of the time, that drawing while a run trains may take


def run_figure(folder: RunDir, experiment: Experiment, how: str = "") -> "Figure":
    """The curves of a run; their title says `how` it ended, if that is given."""
    title = f"{experiment.algorithms} on {experiment.env}"
    title += f", {_counted(experiment)}: {ending(how)}" if how else ""
    each, target = "replica" if experiment.vary else "seed", experiment.convergence.target
    agents, learners = experiment.agents, {}
    if agents.number > 1 and not agents.shared:
        learners = {agent.id: agent.algo.name for agent in agents.each}
        learners = learners or dict.fromkeys(agents.names, experiment.algo.name)
    return training_figure(folder.database, title, target, each, learners)


def draw_run(folder: RunDir, plan: Plan, how: str) -> None:
    """Write the curves of a run as a PNG, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(run_figure(folder, plan.experiment, how))
    with replacing(folder.curves) as unfinished:
        canvas.print_png(str(unfinished))


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
    seeds = counted(experiment.seeds, "seed")
    return f"{experiment.members} members with {seeds} each" if experiment.vary else seeds
