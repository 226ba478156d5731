"""The chunks of a run, in order, with the device at work while the host handles the last one."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from elsinore.config.plan import Plan
from elsinore.jaxtools import processes
from elsinore.runs.control import Controls
from elsinore.runs.programs import Compiled
from elsinore.runs.watchdog import Watchdog
from elsinore.training.chunk import ChunkReport
from elsinore.training.layout import Layout
from elsinore.training.turns import Turns, joined_turns


class InFlight(NamedTuple):
    """A chunk that was launched; its arrays may not be computed yet."""

    index: int
    state: Turns
    report: tuple[ChunkReport, ...]  # of each turn
    population: dict[str, Any]  # metrics of the population step before it, [replica] each
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
    """

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        compiled: Compiled,
        state: Turns,
        first_chunk: int,
        controls: Controls,
        ahead: bool | None = None,
    ):
        """`ahead`: launch a chunk while the host handles the last one; None: as the plan says."""
        self._plan, self._layout, self._compiled, self._controls = plan, layout, compiled, controls
        self.first_chunk, self._state = first_chunk, state
        self._ahead = plan.looks_ahead if ahead is None else ahead
        self.initial = state  # valid until the first chunk is taken
        self.hold: Callable[[], tuple[float, bool]] = lambda: (0.0, False)
        self._began = self._finished = time.perf_counter()
        self._in_flight: InFlight | None = None
        self._launching, self._waiting = Watchdog(), Watchdog()  # a CPU may compute at a launch

    @property
    def seconds(self) -> float:
        """Time of all chunks so far, pauses excluded."""
        return self._finished - self._began

    def __iter__(self) -> Iterator[FinishedChunk]:
        num_chunks, controls = self._plan.schedule.num_chunks, self._controls
        self._began = self._finished = time.perf_counter()
        self._in_flight = self._launch(self._state, self.first_chunk)
        for index in range(self.first_chunk, num_chunks):
            this = self._in_flight
            asked = controls.heard()
            last = index + 1 == num_chunks or asked.stop
            early = self._ahead and not last and not asked.pause
            if early:
                self._in_flight = self._launch(this.state, index + 1)
            report = self._report(this)
            before, self._finished = self._finished, time.perf_counter()
            yield FinishedChunk(
                index, this.state, report, this.population, self._finished - before, last
            )
            if last:
                return
            if not early:
                waited, stops = self.hold()
                self._finished += waited
                if stops:
                    return
                self._in_flight = self._launch(self._in_flight.state, index + 1)

    def evaluated(self, chunk: FinishedChunk) -> FinishedChunk:
        """The chunk that was yielded last, with an evaluation: a launch without updates."""
        this = self._in_flight
        assert this is not None and not self._ahead, "the next chunk has begun"
        with self._launching.watches(this.index):
            states, reports = self._compiled.chunk(this.state, np.int32(0))
        reports = (a.with_evaluation(b) for a, b in zip(this.report, reports, strict=True))
        self._in_flight = this._replace(state=states, report=tuple(reports))
        report, before = self._report(self._in_flight), self._finished
        self._finished = time.perf_counter()
        seconds = chunk.seconds + self._finished - before
        return chunk._replace(state=states, report=report, seconds=seconds)

    def change(self, chunk: FinishedChunk, function: Callable[[Turns], Turns]) -> FinishedChunk:
        """The chunk that was yielded last, its state changed, with which the next one begins."""
        assert self._in_flight is not None and not self._ahead, "the next chunk has begun"
        state = function(chunk.state)
        self._in_flight = self._in_flight._replace(state=state)
        return chunk._replace(state=state)

    def taken_by(self, chunks: int) -> FinishedChunk | None:
        """The chunk that took the memory of the state after `chunks` chunks, waited for; None where
        that state is still valid."""
        this = self._in_flight
        if this is None or self._ahead or this.index != chunks:
            return None
        report, seconds = self._report(this), time.perf_counter() - this.launched
        return FinishedChunk(this.index, this.state, report, this.population, seconds, last=True)

    def _launch(self, states: Turns, index: int) -> InFlight:
        launched, population = time.perf_counter(), {}
        updates = self._plan.schedule.updates_in(index)
        with self._launching.watches(index):
            if self._compiled.population_step is not None and index:
                (state,) = states
                state, population = self._compiled.population_step(state, np.int32(index))
                states = (state,)
            states, report = self._compiled.chunk(states, np.int32(updates))
        return InFlight(index, states, report, population, launched)

    def _report(self, chunk: InFlight) -> ChunkReport:
        """The report in host memory, without the seeds that pad the layout."""
        with self._waiting.watches(chunk.index):
            return joined_turns(processes.to_host(chunk.report), self._layout)
