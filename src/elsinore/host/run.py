"""The one loop: launch a chunk, and while the device works on it, tell of the one before."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from elsinore.config.plan import Plan
from elsinore.host.control import Controls
from elsinore.host.couriers import Courier
from elsinore.host.course import events_of
from elsinore.host.keeper import Keeper
from elsinore.host.report import rows_of, score_of
from elsinore.host.result import final_evaluation_of
from elsinore.host.store import ChunkRecord, Row
from elsinore.training.chunk import ChunkReport
from elsinore.training.population import Between
from elsinore.training.seeds import Layout, fetch, init_program, over_seeds, place, seed_keys, stacked_shapes
from elsinore.types import RunState

log = logging.getLogger("elsinore")


class Compiled(NamedTuple):
    """The programs of a run, compiled ahead of their first use."""

    begin: Callable[..., RunState]  # (keys [replica], hyper [replica] or None) -> the beginnings, stacked
    chunk: Callable  # (state, num_updates) -> (state, report); takes the state's memory
    copy: Callable  # state -> state
    between: Callable | None  # (state, chunk) -> (state, told); takes the state's memory
    evaluate: Callable  # state -> the final evaluation's episodes, [replica, episode] each; compiled when used
    seconds: float
    init: Callable[[], RunState]  # every replica's beginning, on the layout's devices


class Flight(NamedTuple):
    """A chunk that was launched; its arrays may still be being made."""

    chunk: int
    state: RunState
    report: ChunkReport
    told: dict[str, Any]  # what happened between the chunks: [replica] each
    began: float  # on the clock of time.perf_counter


class Outcome(NamedTuple):
    state: RunState  # [replica, ...], in host memory
    interrupted: bool
    train_seconds: float


def compile_run(plan: Plan, layout: Layout) -> Compiled:
    """Trace and compile what a run launches; `seconds` is how long that took.

    XLA compiles outside the interpreter's lock, so they are compiled at once.
    """
    began = time.perf_counter()
    shapes = stacked_shapes(plan.program, layout.padded)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout.sharding), shapes)

    def lowered():
        yield over_seeds(plan.program.chunk, layout, donate=True).lower(shapes, jnp.int32(0))
        yield init_program(plan.program).lower(_keys(plan), plan.hyper)
        yield over_seeds(lambda state: jax.tree.map(jnp.copy, state), layout).lower(shapes)
        if plan.between is not None:
            yield between_chunks(plan.between, layout).lower(shapes, jnp.int32(0))

    with ThreadPoolExecutor(4) as pool:
        chunk, begin, copy, *between = pool.map(lambda program: program.compile(), lowered())
    seconds = time.perf_counter() - began
    evaluate = final_evaluation_of(plan, layout)
    compiled = Compiled(begin, chunk, copy, between[0] if between else None, evaluate, seconds, init=lambda: None)
    return begun_as(plan, layout, compiled)


def begun_as(plan: Plan, layout: Layout, compiled: Compiled) -> Compiled:
    """The programs, beginning as this plan's replicas do; their own plan may have had other seeds and numbers."""
    return compiled._replace(init=lambda: place(compiled.begin(_keys(plan), plan.hyper), layout))


def _keys(plan: Plan) -> jax.Array:
    experiment = plan.experiment
    return seed_keys(experiment.seed, experiment.seeds, experiment.members)


def between_chunks(between: Between, layout: Layout) -> Any:
    """What a population does between chunks, jitted; states stay where they are, what is told is everywhere."""
    return jax.jit(between, donate_argnums=0, out_shardings=(layout.sharding, layout.everywhere))


def train_loop(
    plan: Plan,
    layout: Layout,
    compiled: Compiled,
    state: RunState,
    first_chunk: int,
    keeper: Keeper,
    store: Courier,
    listeners: list[Courier],
    controls: Controls,
    scores: dict[int, float],
    look: Callable[[RunState], None] = lambda states: None,
) -> Outcome:
    """Train from `first_chunk` until the budget is spent, every seed is frozen, or `controls` ask for a stop.

    While they ask for a pause nothing is launched, and that time is no chunk's.

    `scores` holds each seed's newest value of the checkpoints' metric, where there is one already. `store` gets
    each chunk's record first; `listeners` are told of it after, and `look` is shown the states. Whatever goes wrong,
    the state of the last whole chunk is saved before the error goes on its way.

    A small state is copied, so that the device works on the next chunk while the host tells of this one and saves
    the copy. A large one (`Plan.looks_ahead`) is not: the next chunk takes its memory once the host is done.
    """
    schedule, metric, ahead = plan.schedule, plan.experiment.checkpoints.metric, plan.looks_ahead
    stop = controls.stop

    def launch(state: RunState, chunk: int) -> Flight:
        began, told = time.perf_counter(), {}
        if compiled.between is not None and chunk:
            state, told = compiled.between(state, jnp.int32(chunk))
        state, report = compiled.chunk(state, jnp.int32(schedule.updates_in(chunk)))
        return Flight(chunk, state, report, told, began)

    snapshot, whole_chunks = compiled.copy(state) if ahead else state, first_chunk
    score, told_diverged = score_of([], metric, scores), set()
    host_state = None
    if first_chunk:  # what a kill or an error may have left undone after the chunk that is gone on from
        _keep(plan, layout, keeper, store, snapshot, first_chunk - 1, score, saves_latest=False)
    began = finished = time.perf_counter()
    flight = launch(state, first_chunk)
    try:
        for chunk in range(first_chunk, schedule.num_chunks):
            this, next_snapshot = flight, compiled.copy(flight.state) if ahead else flight.state
            last = chunk + 1 == schedule.num_chunks or stop.is_set()
            early = ahead and not last and not controls.paused
            if early:
                flight = launch(this.state, chunk + 1)  # while the host reports
            report = first_seeds(jax.device_get(this.report), layout.num_seeds)
            began_chunk, finished = finished, time.perf_counter()
            record = _told(plan, this, report, finished - began_chunk)
            store.put(record)
            snapshot, whole_chunks = next_snapshot, chunk + 1  # from here on it need not be done again
            for listener in listeners:
                listener.put(record)
            _tell_diverged(plan, report, told_diverged)
            for event in record.events:
                log.info(event.text)
            score = score_of(record.rows, metric, scores)
            frozen = bool(report.convergence.frozen.all())
            host_state = _keep(plan, layout, keeper, store, snapshot, chunk, score, saves_latest=not (last or frozen))
            look(snapshot)
            if last or frozen:
                break
            if not early:
                save = partial(_keep, plan, layout, keeper, store, snapshot, chunk, score, saves_latest=True)
                finished += controls.hold(save)
                if stop.is_set():
                    break
                host_state = None  # it may be a view of the memory that the next chunk takes
                flight = launch(this.state, chunk + 1)
    except BaseException:
        gone = not ahead and flight.chunk == whole_chunks  # the snapshot's memory, into the chunk that is being made
        _emergency(plan, layout, keeper, store, snapshot, whole_chunks, flight if gone else None)
        raise
    update = schedule.updates_after(whole_chunks)
    interrupted = stop.is_set() and update < schedule.num_updates and not frozen
    host_state = host_state if host_state is not None else fetch(snapshot, layout)
    if store.flush(timeout=30.0) or not interrupted:
        keeper.save("emergency" if interrupted else "latest", update, host_state, score)
    else:
        log.error(NOT_TOLD, "emergency", update)
    return Outcome(host_state, interrupted, finished - began)


# A resumed run goes on after what is saved, so what the store lacks by then it would lack for good.
NOT_TOLD = "checkpoint %s/%d is not written, since metrics.sqlite has not got so far"


def first_seeds(report: ChunkReport, num_seeds: int) -> ChunkReport:
    return jax.tree.map(lambda x: x[:num_seeds], report)


def _told(plan: Plan, flight: Flight, report: ChunkReport, seconds: float) -> ChunkRecord:
    """The record of a chunk whose report has come, with what happened before it."""
    record = _record(plan, report, flight.chunk, seconds)
    for name, values in jax.device_get(flight.told).items():
        for i in np.flatnonzero(np.isfinite(values[: len(report.learning)])):
            record.rows.append(Row(record.update, plan.experiment.seed + int(i), "", name, float(values[i])))
    return record


def _record(plan: Plan, report: ChunkReport, chunk: int, seconds: float) -> ChunkRecord:
    rows = rows_of(report, chunk, plan)
    update = plan.schedule.row_ends(chunk)[-1]
    steps = plan.schedule.updates_in(chunk) * plan.steps_per_update
    speed = steps * int(np.sum(report.learning)) / max(seconds, 1e-9)
    events = events_of(report, plan)
    return ChunkRecord(update, update * plan.steps_per_update, rows, time.time(), seconds, speed, events)


def _keep(plan, layout, keeper, store, snapshot, chunk, score, saves_latest) -> RunState | None:
    """Offer the state after `chunk` to the keeper where it may want it; returns it where it was fetched."""
    update, period = plan.schedule.updates_after(chunk + 1), plan.experiment.checkpoints.period
    wanted = keeper.consider(update, score)
    kinds = []
    if period and (chunk + 1) % period == 0 and not keeper.has("periodic", update):
        kinds.append("periodic")
    if saves_latest and keeper.due():
        kinds.append("latest")
    if not (kinds or wanted):
        return None
    state = fetch(snapshot, layout)
    if wanted:  # it is kept for a while, and the device may want its memory back
        keeper.offer(update, score, jax.tree.map(np.array, state))
    for kind in kinds:
        if not store.flush(timeout=30.0):
            log.warning(NOT_TOLD, kind, update)
            continue
        try:
            keeper.save(kind, update, state, score)
        except Exception as error:  # a full disk, mostly: the run is worth more than the checkpoint
            log.warning("checkpoint %s/%d could not be written: %s; training goes on", kind, update, error)
    return state


def _emergency(plan, layout, keeper, store, snapshot, whole_chunks, flight: Flight | None) -> None:
    """The last whole chunk, saved while an error is on its way; failing at that must not hide the error.

    Where the snapshot is gone into a `flight`, that is waited for and saved instead.
    """
    update = plan.schedule.updates_after(whole_chunks)
    try:
        if flight is not None:
            report = first_seeds(jax.device_get(flight.report), layout.num_seeds)
            store.put(_told(plan, flight, report, time.perf_counter() - flight.began))
            snapshot, update = flight.state, plan.schedule.updates_after(flight.chunk + 1)
        if not store.flush(timeout=10.0):
            log.error(NOT_TOLD, "emergency", update)
            return
        path = keeper.save("emergency", update, fetch(snapshot, layout), None)
        log.error("training failed; the state after update %d is saved in %s", update, path)
    except Exception as error:
        log.error("training failed, and so did the emergency checkpoint: %s", error)


def _tell_diverged(plan: Plan, report: ChunkReport, told: set[int]) -> None:
    for i in np.flatnonzero(report.convergence.diverged_at >= 0):
        if int(i) not in told:
            told.add(int(i))
            update = int(report.convergence.diverged_at[i])
            log.warning(
                "seed %d has parameters that are not finite after update %d and is frozen; a lower "
                "algo.learning_rate is the usual remedy", plan.experiment.seed + int(i), update,
            )  # fmt: skip
