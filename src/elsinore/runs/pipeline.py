"""The chunks of a run, in order, with the device at work while the host handles the last one."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

import jax
import numpy as np

from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.jaxtools import processes
from elsinore.jaxtools.host_arrays import to_host
from elsinore.runs.control import Controls
from elsinore.runs.programs import NO_UPDATES, Compiled
from elsinore.runs.signals import MORE_TIME, OutOfTime
from elsinore.runs.watchdog import Watchdog
from elsinore.runs.xla_threads import in_own_thread
from elsinore.training.chunk import ChunkReport
from elsinore.training.layout import Layout
from elsinore.training.turns import Turns, joined_turns

log = logging.getLogger("elsinore")
HEARTBEAT = 0.5  # seconds between two looks at the deadline, while a chunk is computed
SAVING = 5.0  # seconds before the deadline in which the state before a chunk is saved


class Computed(NamedTuple):
    """The results of a chunk, on the devices."""

    state: Turns
    report: tuple[ChunkReport, ...]  # of each turn
    population: dict[str, Any]  # metrics of the population step before it, [replica] each


class InFlight(NamedTuple):
    """A chunk that was launched."""

    index: int
    computed: Future[Computed]
    launched: float  # on the clock of time.perf_counter


class FinishedChunk(NamedTuple):
    """A chunk whose report is in host memory."""

    index: int
    state: Turns  # on the devices; valid until the next chunk is taken
    report: ChunkReport  # of the real seeds, numpy
    population: dict[str, Any]
    seconds: float
    last: bool  # the budget is spent, or a stop was requested

    @property
    def frozen(self) -> bool:
        """True if every seed is frozen, so that nothing is left to train."""
        return bool(np.all(self.report.convergence.frozen))


class Pipeline:
    """Launches the chunks of a run and yields them as they finish.

    The next chunk leaves a small state as it is, and runs while the host handles this one. It takes
    the memory of a large one (`Plan.looks_ahead` is false), and is launched when the host asks for
    it. Between chunks `hold` waits while the run is paused, and returns the
    seconds it waited, which count for no chunk, and whether the run is to stop.

    A chunk is computed on a thread of its own, so that a signal is heard meanwhile; where the host
    steps the environments, on this one. Several processes must launch in one order what they
    compute together, so each launches on this thread, and only waits on the other.
    """

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        compiled: Compiled,
        state: Turns,
        first_chunk: int,
        controls: Controls,
        ahead: bool,
    ):
        """`ahead`: launch a chunk while the host handles the last one."""
        self._plan, self._layout, self._compiled, self._controls = plan, layout, compiled, controls
        self.first_chunk, self._state = first_chunk, state
        self._keeps = plan.looks_ahead  # the state before a chunk stays valid
        self._ahead = ahead
        self.initial = state  # valid until the first chunk is taken
        self.hold: Callable[[], tuple[float, bool]] = lambda: (0.0, False)
        self._finished = time.perf_counter()
        self._in_flight: InFlight | None = None
        self._launching, self._waiting = Watchdog(), Watchdog()  # a launch may block, too

    def stopped(self) -> bool:
        """True once a stop was requested."""
        return self._controls.stop.is_set()

    def __iter__(self) -> Iterator[FinishedChunk]:
        num_chunks, controls = self._plan.schedule.num_chunks, self._controls
        self._finished = time.perf_counter()
        self._in_flight = self._launch(self._state, self.first_chunk)
        for index in range(self.first_chunk, num_chunks):
            done = self._wait_for(self._in_flight)
            before, self._finished = self._finished, time.perf_counter()
            asked = controls.heard()
            last = index + 1 == num_chunks or asked.stop
            early = self._ahead and not last and not asked.pause
            if early:
                self._in_flight = self._launch(done.state, index + 1)
            yield self._finished_chunk(index, done, self._finished - before, last)
            if last:
                return
            if not early:
                waited, stops = self.hold()
                self._finished += waited
                if stops:
                    return
                state = self._wait_for(self._in_flight).state  # as `change` may have left it
                self._in_flight = self._launch(state, index + 1)

    def evaluated(self, chunk: FinishedChunk) -> FinishedChunk:
        """The chunk that was yielded last, with an evaluation: a launch without updates."""
        this = self._newest()
        trained = self._wait_for(this)

        def launch() -> Computed:
            state, reports = self._compiled.chunk(trained.state, NO_UPDATES)
            pairs = zip(trained.report, reports, strict=True)
            both = tuple(before.with_evaluation(after) for before, after in pairs)
            return Computed(state, both, trained.population)

        self._in_flight = this._replace(computed=self._start(launch, this.index))
        done = self._wait_for(self._in_flight)
        before, self._finished = self._finished, time.perf_counter()
        seconds = chunk.seconds + self._finished - before
        return self._finished_chunk(chunk.index, done, seconds, chunk.last)

    def change(self, chunk: FinishedChunk, function: Callable[[Turns], Turns]) -> FinishedChunk:
        """The chunk that was yielded last, its state changed, with which the next one begins."""
        this = self._newest()
        done = self._wait_for(this)._replace(state=function(chunk.state))
        self._in_flight = this._replace(computed=already(done))
        return chunk._replace(state=done.state)

    def unsaved_after(self, chunks: int) -> FinishedChunk | None:
        """The chunk after `chunks` chunks, if it is done, or has taken the memory of the state
        before it and is waited for; None where that state is valid, and the newest."""
        this = self._in_flight
        if this is None or self._ahead or this.index != chunks:
            return None
        if self._keeps and (not this.computed.done() or this.computed.exception() is not None):
            return None
        if not this.computed.done():
            log.warning(
                "waiting for this chunk, which has taken the memory of the state before it; send"
                " SIGINT to end without a checkpoint of it"
            )
        done = self._wait_for(this)
        return self._finished_chunk(this.index, done, time.perf_counter() - this.launched, True)

    def _newest(self) -> InFlight:
        """The chunk that was yielded last."""
        assert self._in_flight is not None and not self._ahead, "the next chunk has begun"
        return self._in_flight

    def _launch(self, states: Turns, index: int) -> InFlight:
        updates = np.int32(self._plan.schedule.updates_in(index))

        def launch() -> Computed:
            given, population = states, {}
            if self._compiled.population_step is not None and index:
                (only,) = states
                only, population = self._compiled.population_step(only, np.int32(index))
                given = (only,)
            state, report = self._compiled.chunk(given, updates)
            return Computed(state, report, population)

        launched = time.perf_counter()
        return InFlight(index, self._start(launch, index), launched)

    def _start(self, launch: Callable[[], Computed], index: int) -> Future[Computed]:
        if is_on_host(self._plan.env):
            return already(computed(launch()))
        if processes.joined():
            with self._launching.watches(index):
                launched = launch()
            return in_own_thread(computed, launched)
        return in_own_thread(lambda: computed(launch()))

    def _wait_for(self, chunk: InFlight) -> Computed:
        """Returns what the chunk has computed.

        Raises:
            OutOfTime: where a deadline comes before, and the state before the chunk is still valid.
        """
        if chunk.computed.done():
            return chunk.computed.result()
        with self._waiting.watches(chunk.index):
            while not wait([chunk.computed], HEARTBEAT).done:
                left = self._controls.stop.seconds_left
                if self._keeps and left < SAVING and not processes.joined():
                    text = (
                        "stopped; this chunk is left out: little time is left after the signal;"
                        f" {MORE_TIME}"
                    )
                    log.warning(text)
                    raise OutOfTime(text)
            return chunk.computed.result()

    def _finished_chunk(
        self, index: int, done: Computed, seconds: float, last: bool
    ) -> FinishedChunk:
        """With its report in host memory, without the seeds that pad the layout."""
        report = joined_turns(to_host(done.report), self._layout)
        return FinishedChunk(
            index=index,
            state=done.state,
            report=report,
            population=done.population,
            seconds=seconds,
            last=last,
        )


def computed(launched: Computed) -> Computed:
    """A launched chunk, once its report is computed."""
    jax.block_until_ready(launched.report)
    return launched


def already(done: Computed) -> Future[Computed]:
    """A future that has its result."""
    found = Future[Computed]()
    found.set_result(done)
    return found
