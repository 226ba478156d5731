"""The processes of a run beside the first: they compile, launch and fetch with it, and write
nothing. Each step here answers one of `session.py`, in the same order."""

import contextlib
import logging
import math
from functools import partial
from pathlib import Path

from elsinore.config.plan import Plan
from elsinore.jaxtools import processes
from elsinore.runs.actions import agreed, reason_to_stop
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.buffers import has_buffers, without_buffers
from elsinore.runs.checkpoints.manager import DUE
from elsinore.runs.checkpoints.restored import restore_state
from elsinore.runs.control import Controls
from elsinore.runs.lineage.start import begun_from_source
from elsinore.runs.loop import EVALUATES, may_be_evaluated
from elsinore.runs.pipeline import Pipeline
from elsinore.runs.programs import Compiled, compile_run
from elsinore.runs.replays.worker import ReplayFollower
from elsinore.runs.signals import GRACE, refuse_if_late, stop_on_signals
from elsinore.runs.traced_settings import acted_on
from elsinore.training.layout import Layout
from elsinore.training.turns import Turns, fetch_turns, place_host
from elsinore.types import RunState

log = logging.getLogger("elsinore")
CHECKPOINT, FOLDER = "the checkpoint", "the run's folder"
COMPILED, BEGUN = "compiled", "begun"
ACTS = "whether callbacks act"
ENDED = "the end of the run"  # by which its summary is written


def follow(plan: Plan, grace: float = GRACE) -> Path:
    """Train with the first process until its run has ended; returns the run's folder.

    Raises:
        OutOfTime: if the run was stopped and saved, but not evaluated.
    """
    folder = Path(processes.agreed(None, FOLDER, processes.COMPILING))
    controls, layout, replays = Controls(), plan.layout, ReplayFollower(plan)
    with stop_on_signals(controls.stop, grace):
        place = processes.agreed(None, CHECKPOINT, processes.COMPILING)
        compiled = compile_run(plan, layout)
        processes.gathered(None, COMPILED, processes.COMPILING)
        with contextlib.closing(compiled):
            if place is None:
                state, first = compiled.init(), 0
                if plan.experiment.start is not None:
                    begun = begun_from_source(plan, fetch_turns(state, layout))
                    state = place_host(begun, plan.state_shapes, layout)
                replays.offer_end(state)
            else:
                there = checkpoints.list_checkpoints(folder / "checkpoints")
                found = next(each for each in there if each.name == place)
                state = place_host(restore_state(found, plan), plan.state_shapes, layout)
                first = plan.schedule.chunks_until(found.update)
            processes.gathered(None, BEGUN, processes.COMPILING)
            state = _followed(plan, layout, compiled, state, first, controls, replays)
            refuse_if_late(controls.stop, math.nan)
            compiled.evaluate(state)
    processes.agreed(None, ENDED, processes.COMPILING)
    return folder


def _followed(
    plan: Plan,
    layout: Layout,
    compiled: Compiled,
    state: Turns,
    first: int,
    controls: Controls,
    replays: ReplayFollower,
) -> RunState:
    """The final state in host memory, after the chunks and the saves of the first process."""
    refuse_if_late(controls.stop, 0.0)
    frozen = fetch_turns([turn.convergence for turn in state], layout).frozen.all()
    over, acts, ended = first >= plan.schedule.num_chunks or frozen, False, ""
    if not over:
        acts, ended = processes.agreed(None, ACTS)
    host: RunState | None = None  # of `state`, once it was fetched for a save

    def save() -> None:
        nonlocal host
        kinds, best = processes.agreed(None, DUE)
        bare = best and not kinds and not plan.experiment.checkpoints.best_buffers
        if host is None and bare and has_buffers(state):
            fetch_turns(without_buffers(state), layout)
        elif host is None and (kinds or best):
            host = fetch_turns(state, layout)

    if first:
        save()
    if over or ended:
        return fetch_turns(state, layout) if host is None else host
    ahead = plan.looks_ahead and not acts
    pipeline = Pipeline(plan, layout, compiled, state, first, controls, ahead)
    pipeline.hold = partial(controls.hold, save)
    for chunk in pipeline:
        if may_be_evaluated(plan, chunk) and processes.agreed(None, EVALUATES):
            chunk = pipeline.evaluated(chunk)
        if acts and (actions := agreed()):
            chunk = pipeline.change(chunk, partial(acted_on, actions=actions, plan=plan))
            ended = reason_to_stop(actions)
        state, host = chunk.state, None
        save()
        replays.offer(state)
        if chunk.frozen or ended:
            break
    return fetch_turns(state, layout) if host is None else host
