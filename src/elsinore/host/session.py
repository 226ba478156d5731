"""Everything between a folder that is ours and a run that is done."""

import contextlib
import logging
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elsinore.config.build import as_dict
from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.host import checkpoints
from elsinore.host.control import Controls, listening
from elsinore.host.couriers import Courier, courier_for
from elsinore.host.course import STAGE, course_summary
from elsinore.host.curves import draw_curves
from elsinore.host.folder import RunFolder
from elsinore.host.keeper import Keeper
from elsinore.host.result import agent_names, policy_of, restore_state
from elsinore.host.run import Compiled, compile_run, train_loop
from elsinore.host.signals import stop_on_signals
from elsinore.host.sinks.console import PROGRESS, Console, ProgressLog
from elsinore.host.sinks.jsonl import JSONLinesSink
from elsinore.host.sinks.mlflow import MLflowSink
from elsinore.host.sinks.tensorboard import TensorBoardSink
from elsinore.host.sinks.wandb import WandbSink
from elsinore.host.store import ChunkRecord, Store
from elsinore.host.summary import stopped_by, summarise, write_json
from elsinore.host.viewer import Viewer
from elsinore.training.seeds import Layout, fetch, layout_for, place, stacked_shapes, wrap_keys
from elsinore.types import RunState

log = logging.getLogger("elsinore")
Callback = Callable[[ChunkRecord], Any]


def run_session(
    folder: RunFolder, plan: Plan, checkpoint: checkpoints.Checkpoint | None, callbacks: Sequence[Callback],
    programs: Callable[[Plan, Layout], Compiled] = compile_run,
) -> None:  # fmt: skip
    """Train from a checkpoint, or from the beginning, until the run's folder is complete.

    `programs` may know a run's programs from one that was like it.
    """
    checkpoints.clean(folder.checkpoints)
    layout = layout_for(plan.experiment.replicas, plan.experiment.layout)
    update = checkpoint.update if checkpoint else 0
    run_id, scores = _open_store(folder, plan, update)
    for line in plan.lines():
        log.info(line)
    store, told, sinks = _couriers(folder, plan, run_id, callbacks)
    log.info("compiling" if checkpoint is None else f"compiling, to go on from {checkpoint.name}")
    controls, viewer = Controls(), Viewer(folder, plan)
    try:
        with stop_on_signals(controls.stop), listening(folder.path, controls):
            compiled = programs(plan, layout)
            state = compiled.init() if checkpoint is None else _restored(plan, layout, checkpoint)
            log.info("compiled in %.1f s; training on %d device(s)", compiled.seconds, len(layout.devices))
            keeper = Keeper(folder.checkpoints, plan.experiment, controls.save)
            chunk = -(-update // plan.schedule.updates_per_chunk)
            controls.begun.set()
            all_frozen = bool(np.asarray(state.convergence.frozen).all())
            if chunk < plan.schedule.num_chunks and not all_frozen:
                outcome = train_loop(
                    plan, layout, compiled, state, chunk, keeper, store, [*told, *sinks], controls, scores, viewer.offer
                )
                state, interrupted = outcome.state, outcome.interrupted
            else:  # killed between its last checkpoint and its summary
                state, interrupted = fetch(state, layout), False
            _conclude(folder, plan, layout, compiled, state, interrupted)
    except BaseException:
        log.error("go on with: elsinore train --resume %s", folder.path)
        raise
    finally:
        viewer.close()
        for courier in [*told, store]:
            courier.finish(timeout=30.0)
        for courier in sinks:
            courier.put(None)
        for courier in sinks:
            courier.finish(timeout=90.0)
        Store(folder.database).close()  # the last writer to leave folds the write-ahead log into the database
        folder.unlock()


def _restored(plan: Plan, layout: Layout, checkpoint: checkpoints.Checkpoint) -> RunState:
    """What a checkpoint holds, on the layout's devices."""
    host = restore_state(checkpoint, plan)
    return place(wrap_keys(host, stacked_shapes(plan.program, layout.num_seeds)), layout)


def _open_store(folder: RunFolder, plan: Plan, update: int) -> tuple[str, dict[int, float]]:
    """Make the store ready to go on after `update`; returns the run's id and each seed's newest score."""
    store = Store(folder.database)
    store.forget_after(update)
    run_id = store.info().get("run_id") or uuid.uuid4().hex
    experiment = plan.experiment
    store.describe(run_id=run_id, steps_per_update=plan.steps_per_update, env=plan.env_name,
                   algo=experiment.algo.name, first_seed=experiment.seed, seeds=experiment.replicas,
                   num_updates=plan.schedule.num_updates)  # fmt: skip
    scores = {row.seed: row.value for row in store.rows(names=[experiment.checkpoints.metric], agent="")}
    store.tell(update, "begin" if update == 0 else "resume", f"from update {update}")
    store.close()
    return run_id, scores


def _couriers(
    folder: RunFolder, plan: Plan, run_id: str, callbacks: Sequence[Callback]
) -> tuple[Courier, list[Courier], list[Courier]]:
    """The store's; those that are told directly; those that read the store."""
    database, opened = folder.database, []
    store = Courier("metrics.sqlite", lambda record: opened[0].write(record),
                    open=lambda: opened.append(Store(database)), close=lambda: opened[0].close())  # fmt: skip
    told = [Courier(f"callback {getattr(f, '__name__', f)!s}", f, retry=False) for f in callbacks]
    return store, told + _progress(folder, plan), _sinks(folder, plan, run_id)


def _progress(folder: RunFolder, plan: Plan) -> list[Courier]:
    """A line for the log, and one for the terminal."""
    experiment, store = plan.experiment, Store(folder.database, read_only=True)
    gone = sum(chunk[3] for chunk in store.chunks())
    store.close()
    of = (plan.env_steps, experiment.replicas, experiment.convergence.target)
    what = {"what": "replicas" if experiment.vary else "seeds", "seconds": gone}
    told = [Courier("train.log", ProgressLog(*of, **what).tell, retry=False)]
    if experiment.sinks.console:
        console = Console(*of, **what)
        told.append(Courier("console", console.tell, close=console.close, retry=False))
    return told


def _sinks(folder: RunFolder, plan: Plan, run_id: str) -> list[Courier]:
    """Those that the config asks for."""
    experiment, steps, database, sinks = plan.experiment, plan.steps_per_update, folder.database, []
    if experiment.sinks.jsonl:
        sinks.append(courier_for(JSONLinesSink(folder.jsonl, database, steps)))
    if experiment.sinks.tensorboard:
        sinks.append(courier_for(TensorBoardSink(folder.tensorboard, database, steps)))
    if experiment.sinks.mlflow.enabled:
        seeds = list(range(experiment.seed, experiment.seed + experiment.replicas))
        facts = _flattened(experiment)
        sinks.append(courier_for(MLflowSink(experiment.sinks.mlflow, folder, run_id, facts, seeds, steps)))
    if experiment.sinks.wandb.enabled:
        sinks.append(courier_for(WandbSink(experiment.sinks.wandb, folder, run_id, as_dict(experiment))))
    return sinks


def _conclude(
    folder: RunFolder, plan: Plan, layout: Layout, compiled: Compiled, state: RunState, interrupted: bool
) -> None:
    """The final evaluation, the summary, the curves and the policy, from the final state in host memory."""
    began = time.perf_counter()
    device_state = place(wrap_keys(state, stacked_shapes(plan.program, layout.num_seeds)), layout)
    final = compiled.evaluate(device_state)
    reader = Store(folder.database, read_only=True)
    chunks, stages = reader.chunks(), reader.rows(names=[STAGE])
    reader.close()
    clock = {
        "compile": compiled.seconds,
        "train": sum(chunk[3] for chunk in chunks),
        "evaluate": time.perf_counter() - began,
    }
    how = stopped_by(state, plan, interrupted)
    summary = summarise(plan, state, final, clock, how) | course_summary(plan, stages)
    title = f"{plan.experiment.algo.name} on {plan.env_name}, {_counted(plan.experiment)}: {how}"
    best = plan.experiment.seed + int(np.argmax(np.nan_to_num(final.returns.mean(axis=1), nan=-np.inf)))
    goal = plan.experiment.convergence.target
    artifacts = {
        "training_curves.png": lambda: draw_curves(
            folder.database, folder.curves, title, goal, each="replica" if plan.experiment.vary else "seed"
        ),
        "policy": lambda: export_policies(plan, state, best, folder.policy),
    }
    for what, make in artifacts.items():
        try:
            make()
        except Exception as error:  # the run is worth more than its picture
            log.warning("%s could not be made: %s: %s", what, type(error).__name__, error)
    write_json(folder.summary, summary)


def export_policies(plan: Plan, state: RunState, seed: int, folder: Path) -> None:
    """The seed's policy as files to ship; of agents that learn each for itself each one's, in a folder of its own."""
    if not plan.has_learners_of_their_own:
        return policy_of(plan, state, seed).export(folder, plan.env_name)
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(agent_names(plan.experiment.agents.number)):
        policy_of(plan, state, seed, i).export(folder / name, plan.env_name)


def _counted(experiment: Experiment) -> str:
    """Whose curves there are."""
    seeds = f"{experiment.seeds} seed{'s' if experiment.seeds > 1 else ''}"
    return f"{experiment.members} members with {seeds} each" if experiment.vary else seeds


def _flattened(experiment: Experiment) -> dict[str, Any]:
    """Every setting by its dotted name."""

    def walk(data: dict, prefix: str = ""):
        for key, value in data.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    return dict(walk(as_dict(experiment)))


@contextlib.contextmanager
def logging_to(folder: RunFolder):
    """What is told goes to logs/train.log whole, and to the terminal where nobody else listens."""
    handlers: list[logging.Handler] = [logging.FileHandler(folder.log)]
    handlers[0].setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    if not log.handlers and not logging.getLogger().handlers:
        terminal = logging.StreamHandler(sys.stderr)
        terminal.setFormatter(logging.Formatter("%(message)s"))
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
