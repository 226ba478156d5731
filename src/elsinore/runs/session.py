"""A session: everything between a locked run directory and a finished run."""

import contextlib
import logging
import math
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.runs import checkpoints
from elsinore.runs.checkpoint_manager import CheckpointManager
from elsinore.runs.control import Controls, listening
from elsinore.runs.curriculum_log import STAGE_METRIC, curriculum_summary
from elsinore.runs.curves import draw_training_curves
from elsinore.runs.failures import LogFile, explained
from elsinore.runs.loop import Publisher, train_loop
from elsinore.runs.masks import masked
from elsinore.runs.pipeline import Pipeline
from elsinore.runs.programs import Compiled, compile_run
from elsinore.runs.replay_worker import ReplayWorker
from elsinore.runs.run import agent_names, policy_of, restore_state
from elsinore.runs.run_dir import RunDir
from elsinore.runs.signals import GRACE, OutOfTime, Stop, stop_on_signals
from elsinore.runs.sinks.console import PROGRESS, Console, ProgressLog
from elsinore.runs.store import ChunkRecord, Store, refused_if_broken
from elsinore.runs.summary import stopped_by, summarise, write_json
from elsinore.runs.sync import record_done, sinks_of
from elsinore.runs.workers import BackgroundWorker, sink_worker
from elsinore.training.replicas import Layout, fetch, layout_for, place, stacked_shapes, wrap_keys
from elsinore.types import RunState

log = logging.getLogger("elsinore")
Callback = Callable[[ChunkRecord], Any]
ARTIFACT_SECONDS = 3.0  # expected for the curves, and for the exported policy


def run_session(
    folder: RunDir,
    plan: Plan,
    checkpoint: checkpoints.Checkpoint | None,
    callbacks: Sequence[Callback],
    programs: Callable[[Plan, Layout], Compiled] = compile_run,
    grace: float = GRACE,
) -> None:
    """Train in a locked run directory: restore, compile, loop, evaluate, summarise.

    Args:
        checkpoint: the newest; the run resumes from the newest that the store covers.
        programs: gives the compiled programs of (plan, layout); a sweep reuses those of a like run.
        grace: seconds from SIGTERM or SIGHUP to the end of the process.

    Raises:
        BrokenStore: if metrics.sqlite cannot be used.
        StoreBehind: if metrics.sqlite lacks chunks at the end.
        OutOfTime: if the run was stopped and saved, but not evaluated.
    """
    try:
        checkpoints.clean(folder.checkpoints)
        checkpoint, run_id, scores = _open_store(folder, plan, checkpoint)
    except BaseException:
        folder.unlock()
        raise
    update = checkpoint.update if checkpoint else 0
    for line in plan.lines():
        log.info(line)
    store, listeners, sinks = _workers(folder, plan, run_id, callbacks)
    log.info("compiling" if checkpoint is None else f"compiling, to resume from {checkpoint.name}")
    controls, replays = Controls(), ReplayWorker(folder, plan)

    def train(layout: Layout, compiled: Compiled, state: RunState) -> tuple[RunState, bool]:
        chunk = -(-update // plan.schedule.updates_per_chunk)
        all_frozen = bool(np.asarray(state.convergence.frozen).all())
        if chunk >= plan.schedule.num_chunks or all_frozen:  # killed before its summary
            return fetch(state, layout), False
        publisher = Publisher(plan, store, [*listeners, *sinks], scores)
        pipeline = Pipeline(plan, layout, compiled, state, chunk, controls)
        manager = manager_of(folder, plan, layout, store, controls)
        outcome = train_loop(pipeline, publisher, manager, replays.offer)
        return outcome.state, outcome.interrupted

    try:
        with (
            explained(dict(plan.custom_code), plan.large_settings),
            stop_on_signals(controls.stop, grace),
            listening(folder.path, controls),
        ):
            layout = layout_for(plan.experiment.replicas, plan.experiment.layout)
            compiled = programs(plan, layout)
            state = compiled.init() if checkpoint is None else _restored(plan, layout, checkpoint)
            seconds, devices = compiled.seconds, len(layout.devices)
            log.info("compiled in %.1f s; training on %d device(s)", seconds, devices)
            controls.begun.set()
            refuse_if_late(controls.stop, 0.0)
            state, interrupted = train(layout, compiled, state)
            _conclude(folder, plan, layout, compiled, state, interrupted, controls.stop)
    except BaseException:
        log.error("resume with: elsinore train --resume %s", folder.path)
        raise
    finally:
        _finish(folder, replays, [*listeners, store], sinks, controls.stop)


def _finish(
    folder: RunDir,
    replays: ReplayWorker,
    workers: list[BackgroundWorker],
    sinks: list[BackgroundWorker],
    stop: Stop,
) -> None:
    """Let the workers handle what is left, the sinks last, since they read the store."""
    try:
        replays.close(min(10.0, stop.seconds_left))
        for worker in workers:
            worker.finish(max(min(30.0, stop.seconds_left), 5.0))
        for sink in sinks:
            sink.put(None)
        for sink in sinks:
            sink.finish(min(90.0, stop.seconds_left))
        # the last writer folds the write-ahead log into the database
        record_done(folder.database, [sink.name for sink in sinks if sink.is_done])
    except sqlite3.Error as error:
        log.warning("metrics.sqlite could not be closed: %s", error)
    finally:
        folder.unlock()


def manager_of(
    folder: RunDir, plan: Plan, layout: Layout, store: BackgroundWorker, controls: Controls
) -> CheckpointManager:
    """The checkpoint manager of a run."""
    return CheckpointManager(
        folder.checkpoints,
        plan.experiment,
        controls,
        plan.schedule,
        fetch=lambda state: fetch(state, layout),
        flush=store.flush,
    )


def _restored(plan: Plan, layout: Layout, checkpoint: checkpoints.Checkpoint) -> RunState:
    """The state in a checkpoint, on the layout's devices."""
    host = restore_state(checkpoint, plan)
    return place(wrap_keys(host, stacked_shapes(plan.program, layout.num_seeds)), layout)


def _open_store(
    folder: RunDir, plan: Plan, newest: checkpoints.Checkpoint | None
) -> tuple[checkpoints.Checkpoint | None, str, dict[int, float]]:
    """Make the store ready to continue: (the checkpoint to resume from, run id, newest score of
    each seed)."""
    with refused_if_broken(folder.database), contextlib.closing(Store(folder.database)) as store:
        store.check()
        run_id = store.info().get("run_id") or uuid.uuid4().hex
        store.describe(run_id=run_id, sinks_done="", **_facts_of(plan))
        covered = store.covered()
        found = checkpoints.newest_covered(folder.checkpoints, newest, covered)
        update = found.update if found else 0
        store.forget_after(update)
        text = f"from update {update}"
        if newest is not None and found != newest:
            text += (
                f", since metrics.sqlite holds the chunks up to update {covered} only and the"
                f" checkpoint {newest.name} is newer"
            )
            log.warning("resuming %s", text)
        store.add_event(update, "begin" if newest is None else "resume", text)
        metric = plan.experiment.checkpoints.metric
        scores = {row.seed: row.value for row in store.rows(names=[metric], agent="")}
    return found, run_id, scores


def _facts_of(plan: Plan) -> dict[str, Any]:
    """The facts of a run that its store repeats, for readers of the store alone."""
    return {
        "steps_per_update": plan.steps_per_update,
        "updates_per_chunk": plan.schedule.updates_per_chunk,
        "updates_per_row": plan.schedule.updates_per_row,
        "env": plan.env_name,
        "algo": plan.experiment.algo.name,
        "first_seed": plan.experiment.seed,
        "seeds": plan.experiment.replicas,
        "num_updates": plan.schedule.num_updates,
    }


def _workers(
    folder: RunDir, plan: Plan, run_id: str, callbacks: Sequence[Callback]
) -> tuple[BackgroundWorker, list[BackgroundWorker], list[BackgroundWorker]]:
    """Workers of the store, of the listeners that get each record, and of the sinks."""
    database, opened = folder.database, []
    store = BackgroundWorker(
        "metrics.sqlite",
        lambda record: opened[0].write(record),
        open=lambda: opened.append(Store(database)),
        close=lambda: opened[0].close(),
    )
    workers = [
        BackgroundWorker(f"callback {getattr(f, '__name__', f)!s}", f, retry=False)
        for f in callbacks
    ]
    sinks = sinks_of(folder, plan.experiment, run_id, plan.steps_per_update)
    return store, workers + _progress(folder, plan), [sink_worker(sink) for sink in sinks]


def _progress(folder: RunDir, plan: Plan) -> list[BackgroundWorker]:
    """Workers that write progress to the log and the terminal."""
    experiment, store = plan.experiment, Store(folder.database, read_only=True)
    gone = sum(chunk[3] for chunk in store.chunks())
    store.close()
    of = (plan.env_steps, experiment.replicas, experiment.convergence.target)
    what = {"what": "replicas" if experiment.vary else "seeds", "seconds": gone}
    workers = [BackgroundWorker("train.log", ProgressLog(*of, **what).write, retry=False)]
    if experiment.sinks.console:
        console = Console(*of, **what)
        workers.append(BackgroundWorker("console", console.write, close=console.close, retry=False))
    return workers


def _conclude(
    folder: RunDir,
    plan: Plan,
    layout: Layout,
    compiled: Compiled,
    state: RunState,
    interrupted: bool,
    stop: Stop,
) -> None:
    """Final evaluation, summary, curves and policy of the final state (in host memory).

    Raises:
        OutOfTime: if the deadline of `stop` is too near; the state is saved by now.
    """
    refuse_if_late(stop, _expected_seconds(folder, plan, compiled))
    began, experiment = time.perf_counter(), plan.experiment
    device_state = place(wrap_keys(state, stacked_shapes(plan.program, layout.num_seeds)), layout)
    final = compiled.evaluate(device_state)
    reader = Store(folder.database, read_only=True)
    chunks, stages = reader.chunks(), reader.rows(names=[STAGE_METRIC])
    reader.close()
    trained, evaluated = sum(chunk[3] for chunk in chunks), time.perf_counter() - began
    clock = {"compile": compiled.seconds, "train": trained, "evaluate": evaluated}
    how = stopped_by(state, plan, interrupted)
    summary = summarise(plan, state, final, clock, how) | curriculum_summary(plan, stages)
    title = f"{experiment.algo.name} on {plan.env_name}, {_counted(experiment)}: {how}"
    best = int(np.argmax(np.nan_to_num(final.returns.mean(axis=1), nan=-np.inf)))
    each, target = "replica" if experiment.vary else "seed", experiment.convergence.target
    artifacts = {
        "training_curves.png": lambda: draw_training_curves(
            folder.database, folder.curves, title, target, each=each
        ),
        "policy": lambda: export_policies(plan, state, experiment.seed + best, folder.policy),
    }
    for what, make in artifacts.items():
        if stop.seconds_left < 2 * ARTIFACT_SECONDS:
            log.warning("%s is left out, for want of time", what)
            continue
        try:
            make()
        except Exception as error:  # the run is worth more than its picture
            log.warning("%s could not be made: %s: %s", what, type(error).__name__, error)
    write_json(folder.summary, summary)


def _expected_seconds(folder: RunDir, plan: Plan, compiled: Compiled) -> float:
    """The expected time of the final evaluation: it compiles no longer than the training did, and
    takes no longer an episode than a chunk with its evaluation."""
    reader = Store(folder.database, read_only=True)
    chunks, evaluation = reader.chunks(), plan.experiment.evaluation
    reader.close()
    longest = max((chunk[3] for chunk in chunks[-10:]), default=0.0)
    return compiled.seconds + longest * evaluation.final_episodes / evaluation.episodes


def refuse_if_late(stop: Stop, seconds: float) -> None:
    """Raise OutOfTime if `seconds` are more than half of the time that is left."""
    if stop.deadline < math.inf and stop.seconds_left <= 2 * seconds:
        log.warning("stopped; the final evaluation is left out, for want of time")
        raise OutOfTime


def export_policies(plan: Plan, state: RunState, seed: int, folder: Path) -> None:
    """Export the policy of a seed; of independent learners each agent's, in its own folder."""
    if not plan.has_learners_of_their_own:
        return policy_of(plan, state, seed).export(folder, plan.env_name)
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(agent_names(plan.experiment.agents.number)):
        policy_of(plan, state, seed, i).export(folder / name, plan.env_name)


def _counted(experiment: Experiment) -> str:
    """Number of seeds, or of members with seeds."""
    seeds = f"{experiment.seeds} seed{'s' if experiment.seeds > 1 else ''}"
    return f"{experiment.members} members with {seeds} each" if experiment.vary else seeds


class MaskingFormatter(logging.Formatter):
    """A line of a log, its secrets masked."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


@contextlib.contextmanager
def logging_to(folder: RunDir):
    """Log to logs/train.log, and to the terminal where no other handler is installed."""
    handlers: list[logging.Handler] = [LogFile(folder.log)]
    handlers[0].setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(message)s"))
    if not log.handlers and not logging.getLogger().handlers:
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setFormatter(MaskingFormatter("%(message)s"))
        terminal.addFilter(lambda record: record.name != PROGRESS)
        handlers.append(terminal)
    level = log.level
    log.setLevel(logging.INFO)
    propagate, log.propagate = log.propagate, log.propagate and len(handlers) == 1
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        log.setLevel(level)
        log.propagate = propagate
