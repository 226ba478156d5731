"""A session: everything between a locked run directory and a finished run."""

import contextlib
import logging
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from elsinore.config.host import after_a_break
from elsinore.config.memory import available_bytes, readable_size
from elsinore.config.plan import Plan
from elsinore.config.plan_lines import plan_lines
from elsinore.envs.suites import is_on_host
from elsinore.errors import RepeatedError, counted, on_error, quoted, shown
from elsinore.jaxtools import processes
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.checkpoints.restored import restore_state
from elsinore.runs.commit import current_commit
from elsinore.runs.conclusion import conclude
from elsinore.runs.control import Controls, listening
from elsinore.runs.curves.run_curves import draw_unfinished
from elsinore.runs.divergence import diverged_seeds, refuse_not_finite
from elsinore.runs.failures import explained
from elsinore.runs.files.plain_files import clean_beside
from elsinore.runs.follower import ACTS, BEGUN, CHECKPOINT, COMPILED, FOLDER
from elsinore.runs.lineage.continuation import adopted
from elsinore.runs.lineage.start import begun_from_source
from elsinore.runs.loop import Outcome, Publisher, train_loop
from elsinore.runs.pipeline import Pipeline
from elsinore.runs.profile import jax_trace, phase, profile_to
from elsinore.runs.programs import Compiled, compile_run, initial_states
from elsinore.runs.replays import files as replays
from elsinore.runs.run_actions import RunActions
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_workers import Callback, RunWorkers, start_workers
from elsinore.runs.signals import GRACE, refuse_if_late, stop_on_signals
from elsinore.runs.sinks.session_end import forget_interruption, note_end
from elsinore.runs.store.facts import facts_of_plan
from elsinore.runs.store.store import Store, reading, refused_if_broken
from elsinore.runs.trust import signature
from elsinore.training.early_stopping import Convergence
from elsinore.training.layout import Layout
from elsinore.training.turns import Turns, fetch_turns, place_host

log = logging.getLogger("elsinore")


class Session(NamedTuple):
    """A session whose store is open and whose workers run."""

    folder: RunDir
    plan: Plan
    run_id: str
    checkpoint: checkpoints.Checkpoint | None  # to resume from; None: from the initial state
    scores: dict[int, float]  # newest value of the checkpoints' metric, by seed
    workers: RunWorkers
    controls: Controls
    run_actions: RunActions

    def close(self) -> None:
        """Let the workers handle what is left, and unlock the run directory; those that are
        late keep it locked until they end."""
        try:
            with phase("sinks"):
                self.workers.finish(self.folder, self.controls.stop)
            if not self.folder.is_gone():
                draw_unfinished(self.folder, self.plan, self.controls.stop)
        finally:
            self.folder.unlock(after=self.workers.left_behind)


def run_session(
    folder: RunDir,
    plan: Plan,
    checkpoint: checkpoints.Checkpoint | None,
    callbacks: Sequence[Callback],
    programs: Callable[[Plan, Layout], Compiled] = compile_run,
    grace: float = GRACE,
    *,
    of_a_sweep: bool = False,
) -> None:
    """Train in a locked run directory: restore, compile, loop, evaluate, summarise.

    Args:
        checkpoint: the newest; the run resumes from the newest that the store covers.
        programs: gives the compiled programs of (plan, layout); a sweep reuses those of a like run.
        grace: seconds from SIGTERM or SIGHUP to the end of the process.
        of_a_sweep: no log line says how to resume the run; the sweep says how to resume itself.

    Raises:
        BrokenStore: if metrics.sqlite cannot be used.
        StoreBehind: if metrics.sqlite lacks chunks at the end.
        NotBegun: if a signal stopped the run while its programs were compiled, or its initial
            states computed.
        OutOfTime: if the run was stopped and saved, but not evaluated.
    """
    profile_to(folder.path)
    processes.agreed(str(folder.path.absolute()), FOLDER, processes.COMPILING)
    with phase("workers"):
        session = open_session(folder, plan, checkpoint, callbacks)
    stop = session.controls.stop
    with (
        contextlib.closing(session),
        _remedies(folder, plan, of_a_sweep),
        stop_on_signals(stop, grace),
        listening(folder.path, session.controls),
    ):
        layout = plan.layout
        compiled, state = _compiled(session, layout, programs)
        with contextlib.closing(compiled):
            with phase("train"), jax_trace(folder.path):
                outcome = _trained(session, layout, compiled, state)
            if stop.deadline == math.inf:  # else there is no time for it
                session.workers.replays.offer_end((outcome.state,))
            session.workers.finish_curves(stop)
            finish = partial(session.workers.finish_replays, stop)
            conclude(folder, plan, layout, compiled, outcome, stop, finish)


def open_session(
    folder: RunDir,
    plan: Plan,
    newest: checkpoints.Checkpoint | None,
    callbacks: Sequence[Callback],
) -> Session:
    """Open the store and start the workers; a failure unlocks the run directory."""
    with on_error(folder.unlock):
        replays.clean(folder.replays)
        signature.clean(folder.config)
        clean_beside(folder.tags)  # which the page writes
        newest = newest or adopted(folder, plan)
        checkpoint, run_id, scores = _open_store(folder, plan, newest)
        update = checkpoint.update if checkpoint else 0
        with reading(folder.database) as store:
            run_actions = RunActions(plan, callbacks, store, update)
        for line in plan_lines(plan):
            log.info(line)
        workers = start_workers(folder, plan, run_id, callbacks)
    return Session(folder, plan, run_id, checkpoint, scores, workers, Controls(), run_actions)


@contextlib.contextmanager
def _remedies(folder: RunDir, plan: Plan, of_a_sweep: bool) -> Iterator[None]:
    """Explain a failure where it is known, note it, and log how the run is resumed."""
    try:
        with explained(dict(plan.custom_code), plan.memory.large_settings):
            yield
    except BaseException as error:
        folder.refuse_if_gone()
        note_end(folder.database, error)
        if not (of_a_sweep or isinstance(error, RepeatedError)):
            log.error("resume with: %s", _resumption(folder, plan))
        raise


def _resumption(folder: RunDir, plan: Plan) -> str:
    """The command that resumes a run, or the call where it needs objects again."""
    if not plan.given:
        return f"elsinore train --resume {quoted(folder.path)}"
    again = ", ".join(f"{name}=..." for name in plan.given)
    return f"elsinore.resume({shown(folder.path)!r}, {again})"


def _compiled(
    session: Session, layout: Layout, programs: Callable[[Plan, Layout], Compiled]
) -> tuple[Compiled, Turns]:
    """The programs, and the state to begin with on the layout's devices."""
    folder, plan, checkpoint = session.folder, session.plan, session.checkpoint
    log.info("compiling" if checkpoint is None else f"compiling, to resume from {checkpoint.name}")
    processes.agreed(checkpoint.name if checkpoint else None, CHECKPOINT, processes.COMPILING)
    # Several processes stop together, between two chunks; environments on the host must be closed.
    alone = not processes.joined() and not is_on_host(plan.env)
    before = session.controls.stop.before_training if alone else contextlib.nullcontext
    with before():
        compiled = programs(plan, layout)
    _refuse_too_large(plan, compiled, layout)
    # XLA waits 30 s for the others where the first program of all is launched
    processes.gathered(None, COMPILED, processes.COMPILING)
    done = f"compiled in {compiled.seconds:.1f} s"
    if checkpoint is None:
        imitation, began = plan.experiment.imitation, time.perf_counter()
        if imitation is not None:
            log.info("%s; imitating %s", done, imitation.teacher)
        with phase("begin"):
            with before():  # imitation is part of the initial states, and may take hours
                state = initial_states(compiled) if alone else compiled.init()
            if not processes.joined():  # the others would have to bring their parts
                params = fetch_turns([turn.train.learner.params for turn in state], layout)
                refuse_not_finite(plan, params)
            state = state if plan.experiment.start is None else _begun(session, layout, state)
            session.workers.replays.offer_end(state)
        if imitation is not None:
            done = f"imitated in {time.perf_counter() - began:.1f} s"
    else:
        with phase("begin"):
            state = place_host(restore_state(checkpoint, plan), plan.state_shapes, layout)
    if anew := compiled.resume(state):
        log.warning("resuming: %s", anew)
        with contextlib.closing(Store(folder.database)) as store:
            store.add_event(checkpoint.update if checkpoint else 0, "resume", anew)
    processes.gathered(None, BEGUN, processes.COMPILING)
    devices = counted(len(layout.devices), "device")
    size = f", {readable_size(compiled.chunk_bytes)} of each" if compiled.chunk_bytes else ""
    log.info("%s; training on %s%s", done, devices, size)
    return compiled, state


def _refuse_too_large(plan: Plan, compiled: Compiled, layout: Layout) -> None:
    """Raises:
    ConfigError: when a compiled chunk takes more memory than is available, beside a save.
    """
    shared = layout.devices[0].platform == "cpu"
    needed = compiled.chunk_bytes * (len(layout.devices) if shared else 1)
    needed += plan.memory.of_a_save if compiled.chunk_bytes else 0
    if needed > (available := available_bytes()):
        raise plan.memory.too_large(f"{readable_size(needed)}, now that it is compiled,", available)


def _begun(session: Session, layout: Layout, initial: Turns) -> Turns:
    """The first state of a run that begins from another one. It is saved, since the other may be
    gone when this one is resumed."""
    plan = session.plan
    state = begun_from_source(plan, fetch_turns(initial, layout))
    refuse_not_finite(plan, state.train.learner.params)
    manager = manager_of(session, layout)
    manager.save("latest", 0, state, None)
    return place_host(state, plan.state_shapes, layout)


def _trained(session: Session, layout: Layout, compiled: Compiled, state: Turns) -> Outcome:
    """Train from `state` on the devices; of a training that was over before, what a kill left
    unsaved is saved."""
    plan, checkpoint, workers = session.plan, session.checkpoint, session.workers
    controls, run_actions = session.controls, session.run_actions
    controls.begun.set()
    refuse_if_late(controls.stop, 0.0)
    forget_interruption(session.folder)
    chunk = plan.schedule.chunks_until(checkpoint.update) if checkpoint else 0
    convergence = fetch_turns([turn.convergence for turn in state], layout)
    over, ended = chunk >= plan.schedule.num_chunks or bool(convergence.frozen.all()), ""
    if not over:
        ended = run_actions.stop_at(checkpoint.update) if checkpoint is not None else ""
        processes.agreed([run_actions.any, ended], ACTS)
    listeners = [*workers.listeners, *workers.sinks]
    scores = of_finite(session.scores, convergence, plan.experiment.seed)
    publisher = Publisher(plan, workers.store, listeners, scores, run_actions)
    with contextlib.closing(manager_of(session, layout)) as manager:
        if over or ended:  # killed before its summary
            manager.resume_from(state, chunk, publisher.score, publisher.saves(chunk))
            return Outcome(*manager.conclude(ended=True), ended)
        ahead = plan.looks_ahead and not run_actions.any
        pipeline = Pipeline(plan, layout, compiled, state, chunk, controls, ahead)
        return train_loop(pipeline, publisher, manager, workers.replays.offer)


def of_finite(
    scores: Mapping[int, float], convergence: Convergence, first_seed: int
) -> dict[int, float]:
    """The scores of seeds that have not diverged, as the run that was not interrupted has them."""
    diverged = diverged_seeds(convergence, first_seed)
    return {seed: score for seed, score in scores.items() if seed not in diverged}


def manager_of(session: Session, layout: Layout) -> CheckpointManager:
    """The checkpoint manager of a run."""
    plan = session.plan

    def flush(timeout: float, patient: bool = False) -> bool:
        flushed = session.workers.store.flush(timeout, patient)
        session.folder.refuse_if_gone()  # a checkpoint would make a folder of its name again
        return flushed

    return CheckpointManager(
        session.folder.checkpoints,
        plan.experiment,
        session.controls,
        plan.schedule,
        fetch=lambda state: fetch_turns(state, layout),
        flush=flush,
        store_works=lambda: session.workers.store.works,
        run_id=session.run_id,
        layout=layout.described(),
        after_a_break=after_a_break(plan.env, plan.env_params),
        on_stage=plan.on_stage,
    )


def _open_store(
    folder: RunDir, plan: Plan, newest: checkpoints.Checkpoint | None
) -> tuple[checkpoints.Checkpoint | None, str, dict[int, float]]:
    """Make the store ready to continue: (the checkpoint to resume from, run id, newest score of
    each seed)."""
    with refused_if_broken(folder.database), contextlib.closing(Store(folder.database)) as store:
        store.check()
        before = store.info()
        run_id = before.get("run_id") or uuid.uuid4().hex
        commit = before["commit"] if "commit" in before else current_commit()
        store.describe(run_id=run_id, commit=commit, sinks_done="", ended="", **facts_of_plan(plan))
        covered = store.covered()
        found = checkpoint_choice.newest_covered(folder.checkpoints, newest, covered)
        update = found.update if found else 0
        store.forget_after(update)
        start = plan.experiment.start if newest is None else None
        whence = f", with the {start.parts} of {start.run}@{start.checkpoint}" if start else ""
        text = f"from update {update}{whence}"
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
