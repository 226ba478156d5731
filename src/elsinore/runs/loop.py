"""The training loop: chunks from the pipeline, published and checkpointed."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from elsinore.config.plan import Plan
from elsinore.errors import RepeatedError, counted, reason_of
from elsinore.jaxtools import processes
from elsinore.runs.actions import EVALUATE, Action, agreed, reason_to_stop
from elsinore.runs.budgets import BUDGET
from elsinore.runs.checkpoints.manager import CheckpointManager
from elsinore.runs.curriculum_log import events_of
from elsinore.runs.divergence import diverged_seeds, divergence_text
from elsinore.runs.failures import ended_how, limit_reached
from elsinore.runs.members import seeds_of_best
from elsinore.runs.metrics import finished_of, rows_of, score_of
from elsinore.runs.pipeline import FinishedChunk, Pipeline
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.run_actions import RunActions
from elsinore.runs.run_lock import FolderGone
from elsinore.runs.store.store import ACTION
from elsinore.runs.store.waits import refuse_if_stuck
from elsinore.runs.traced_settings import acted_on
from elsinore.runs.workers import BackgroundWorker
from elsinore.training.turns import Turns
from elsinore.types import RunState

log = logging.getLogger("elsinore")
EVALUATES = "whether there is an evaluation"
LONG_CHUNK, GOOD_CHUNK = 60.0, 15.0  # seconds


class Outcome(NamedTuple):
    """A training that has ended."""

    state: RunState  # [replica, ...], in host memory
    interrupted: bool  # stopped on request before its budget was spent
    ended: str = ""  # by an action: `callback` or `budget`


def train_loop(
    pipeline: Pipeline,
    publisher: "Publisher",
    checkpoints: CheckpointManager,
    offer: Callable[[Turns, bool], None],
) -> Outcome:
    """Train until the budget is spent, every seed is frozen, or a stop is requested.

    `offer` gets the states after each chunk. If anything fails, the state of the last whole chunk
    is saved before the error is raised.
    """
    pipeline.hold = checkpoints.hold
    ended, frozen = "", False
    try:
        first = pipeline.first_chunk
        checkpoints.resume_from(pipeline.initial, first, publisher.score, publisher.saves(first))
        for chunk in pipeline:
            refuse_miscounted(publisher.plan, chunk)
            chunk = evaluated(pipeline, publisher, chunk)
            if chunk.index == first:
                advise_on_long_chunks(publisher.plan, chunk.seconds)
            on_full_disk = publisher.plan.experiment.on_full_disk
            refuse_if_stuck(publisher.store, on_full_disk, pipeline.stopped)
            actions = publisher.publish(chunk)
            if publisher.run_actions.any:
                actions = agreed(actions)
            if actions:
                act = partial(acted_on, actions=actions, plan=publisher.plan)
                chunk, ended = pipeline.change(chunk, act), reason_to_stop(actions)
                checkpoints.asked_to_save |= any(action.act == "save" for action in actions)
            chunks = chunk.index + 1
            checkpoints.after_chunk(chunk, publisher.score, publisher.saves(chunks))
            offer(chunk.state, publisher.records(chunks))
            frozen = chunk.frozen
            if frozen or ended:
                break
    except FolderGone:  # there is no place for a checkpoint
        raise
    except BaseException:
        save_emergency(pipeline, publisher, checkpoints)
        raise
    return Outcome(*checkpoints.conclude(frozen or bool(ended)), ended)


def evaluated(pipeline: Pipeline, publisher: "Publisher", chunk: FinishedChunk) -> FinishedChunk:
    """The chunk, with an evaluation where they are on request and one is due."""
    if not may_be_evaluated(publisher.plan, chunk):
        return chunk
    due = publisher.run_actions.evaluates(record_of(publisher.plan, chunk))
    return pipeline.evaluated(chunk) if processes.agreed(due, EVALUATES) else chunk


def refuse_miscounted(plan: Plan, chunk: FinishedChunk) -> None:
    """Refuse a custom algorithm that counts other updates than it has done: its keys, schedules and
    env steps would be those of other updates.

    Raises:
        RepeatedError: with a remedy.
    """
    done, learning = plan.schedule.updates_after(chunk.index + 1), chunk.report.learning
    update = chunk.report.update.reshape(len(learning), -1)[learning]
    if (wrong := update[update != done]).size:
        raise RepeatedError(
            f"algo={plan.experiment.algo.name!r}: its state.update is {wrong[0]} after"
            f" {counted(done, 'update')}; begin with jnp.int32(0), and give"
            " state._replace(update=state.update + 1, ...) in a new run."
        )


def advise_on_long_chunks(plan: Plan, seconds: float) -> None:
    """Say how chunks are made shorter where one takes so long that its user would wait for it."""
    per_chunk = plan.schedule.updates_per_chunk
    if seconds < LONG_CHUNK or per_chunk == 1 or plan.experiment.evaluation.on_request:
        return
    period = max(1, int(per_chunk * GOOD_CHUNK / seconds))
    log.info(
        "a chunk takes %.0f s, and metrics, checkpoints and a stop come between two; with"
        " evaluation.period=%d (it is %d) one would take about %.0f s, and end with an evaluation",
        seconds,
        period,
        per_chunk,
        GOOD_CHUNK,
    )


def may_be_evaluated(plan: Plan, chunk: FinishedChunk) -> bool:
    """True where evaluations are on request, so that all processes agree on one after this chunk; a
    launch for seeds that are all frozen would evaluate none."""
    asked = plan.experiment.evaluation.on_request
    return asked and not chunk.frozen and not np.any(chunk.report.evaluated)


def save_emergency(
    pipeline: Pipeline, publisher: "Publisher", checkpoints: CheckpointManager
) -> None:
    """Save the state of the last whole chunk while an error is raised; a failure to do so is logged
    and does not hide the error."""
    how = ended_how()
    if processes.joined():  # the others would have to bring their parts
        log.error("%s; the newest checkpoint is the one to resume from", how)
        return
    try:
        if (chunk := pipeline.unsaved_after(checkpoints.chunks)) is not None:
            chunk = evaluated(pipeline, publisher, chunk)
            record, actions = publisher.run_actions.after(record_of(publisher.plan, chunk))
            publisher.store.put(record)
            state = acted_on(chunk.state, actions, publisher.plan)
            checkpoints.hold_state(state, chunk.index + 1)
        checkpoints.save_emergency()
    except Exception as error:
        text = limit_reached(error) or reason_of(error)
        log.error("%s, and the emergency checkpoint failed: %s", how, text)


class Publisher:
    """Gives the record of each chunk to the store, then to the listeners and the log.

    `scores` holds each seed's newest value of the checkpoints' metric; `score` is their mean, that
    of the best member in a population.
    """

    def __init__(
        self,
        plan: Plan,
        store: BackgroundWorker,
        listeners: list[BackgroundWorker],
        scores: dict[int, float],
        run_actions: RunActions,
    ):
        self.plan, self.store, self.run_actions = plan, store, run_actions
        self._listeners, self._scores, self._diverged = listeners, scores, set[int]()
        self._metric = plan.experiment.checkpoints.metric
        self.score = self._score_of([], run_actions.begin)

    def publish(self, chunk: FinishedChunk) -> list[Action]:
        """The actions of the callbacks after this chunk, whose record is given to all."""
        record, actions = self.run_actions.after(record_of(self.plan, chunk))
        self.store.put(record)
        for listener in self._listeners:
            listener.put(record)
        self._warn_of_divergence(chunk)
        for event in record.events:
            if event.kind != ACTION:
                log.info(event.text)
        for action in actions:
            if action == Action("stop", BUDGET):
                spent = self.run_actions.spent
                log.info("the budget is spent after update %d: %s", record.update, spent)
            elif action.act not in ("log", EVALUATE):
                log.info("a callback acts after update %d: %s", record.update, action.text)
        self.score = self._score_of(self._of_finite(record.rows, chunk), record.update)
        return actions

    def _of_finite(self, rows: list[Row], chunk: FinishedChunk) -> list[Row]:
        """The rows of seeds that have not diverged; the others have no score any more."""
        diverged = diverged_seeds(chunk.report.convergence, self.plan.experiment.seed)
        for seed in diverged:
            self._scores.pop(seed, None)
        return [row for row in rows if row.seed not in diverged]

    def _score_of(self, rows: list[Row], update: int) -> float:
        """The score of the states after that update; NaN where it is of an evaluation and they
        have none."""
        score = score_of(rows, self._metric, self._scores, self._seeds_that_count)
        has_one = not self._metric.startswith("eval/") or self.run_actions.evaluated_after(update)
        return score if has_one else float("nan")

    def _seeds_that_count(self, scores: Mapping[int, float]) -> Sequence[int]:
        experiment = self.plan.experiment
        seeds, mode = experiment.replica_seeds, experiment.checkpoints.mode
        return seeds_of_best(scores, seeds, experiment.members, mode)

    def saves(self, chunks: int) -> bool:
        """True if `checkpoints.period`, in another unit than chunks, passed in the last of them."""
        return self.run_actions.passed(self.plan.experiment.checkpoints.period, chunks)

    def records(self, chunks: int) -> bool:
        """True if `replays.period`, of chunks or in another unit, passed in the last of them."""
        period = self.plan.experiment.replays.period
        if isinstance(period, str):
            return self.run_actions.passed(period, chunks)
        return period > 0 and chunks % period == 0

    def _warn_of_divergence(self, chunk: FinishedChunk) -> None:
        diverged_at = chunk.report.convergence.diverged_at
        for i in sorted(set(np.flatnonzero(diverged_at >= 0).tolist()) - self._diverged):
            self._diverged.add(i)
            log.warning(divergence_text(self.plan, chunk, i))


def record_of(plan: Plan, chunk: FinishedChunk) -> ChunkRecord:
    """The record of a chunk for the store: rows of metrics, speed and events."""
    update = plan.schedule.row_ends(chunk.index)[-1]
    steps = plan.schedule.updates_in(chunk.index) * plan.steps_per_update
    return ChunkRecord(
        update=update,
        env_steps=update * plan.steps_per_update,
        rows=rows_of(chunk.report, chunk.index, plan) + population_rows(plan, chunk, update),
        finished_at=time.time(),
        seconds=chunk.seconds,
        steps_per_second=steps * int(np.sum(chunk.report.learning)) / max(chunk.seconds, 1e-9),
        events=events_of(chunk.report, plan),
        finished=tuple(finished_of(chunk.report, chunk.index, plan)),
    )


def population_rows(plan: Plan, chunk: FinishedChunk, update: int) -> list[Row]:
    """Metrics of the population step before the chunk, where they are finite, of the replicas that
    learn."""
    rows, learning = [], chunk.report.learning
    for name, values in jax.device_get(chunk.population).items():
        for i in np.flatnonzero(np.isfinite(values[: len(learning)]) & learning):
            seed = plan.experiment.seed + int(i)
            rows.append(Row(update, seed, "", name, float(values[i])))
    return rows
