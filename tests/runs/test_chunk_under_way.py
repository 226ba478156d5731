"""A signal is heard while a chunk, or an evaluation, is computed, however long that takes."""

import os
import signal
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

import elsinore
from elsinore.jaxtools import processes
from elsinore.runs import pipeline, programs
from elsinore.runs.control import Controls
from elsinore.runs.signals import GRACE, OutOfTime
from tests.runs.conftest import assert_same_run, kept, train_tiny

UPDATES = 12  # after the three chunks before the long one


@pytest.fixture
def long_chunk(monkeypatch):
    """The fourth chunk of a run is not computed before the function that is its `when_begun`
    (given the chunk's Event) has set that event, nor before a minute is over."""

    @contextmanager
    def made(when_begun):
        compile_run, ends, count = programs.compile_run, threading.Event(), iter(range(100))

        def compiled_with_it(plan, layout):
            compiled = compile_run(plan, layout)

            def chunk(states, num_updates):
                if next(count) == 3:
                    threading.Thread(target=when_begun, args=(ends,)).start()
                    ends.wait(60.0)
                return compiled.chunk(states, num_updates)

            return compiled._replace(chunk=chunk)

        with monkeypatch.context() as patch:
            defaults = (compiled_with_it, GRACE)
            patch.setattr("elsinore.runs.session.run_session.__defaults__", defaults)
            began = time.monotonic()
            try:
                yield
                assert time.monotonic() - began < 50.0
            finally:
                ends.set()

    return made


def interrupts(times):
    """Send SIGINT so many times, half a second apart."""

    def send(ends):
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    return send


def assert_saved_and_resumed(path, whole, caplog):
    assert kept(path, "emergency") == {"emergency": [f"{UPDATES:010}"]}
    assert f"the state after update {UPDATES} is saved in" in caplog.text
    assert elsinore.resume(path).summary["stopped_by"] == "budget"
    assert_same_run(path, whole)


def test_a_second_signal_ends_a_run_in_the_midst_of_a_chunk(tmp_path, whole, long_chunk, caplog):
    with long_chunk(interrupts(2)), pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path, "whole")
    assert_saved_and_resumed(tmp_path / "whole", whole, caplog)


@pytest.mark.slow
def test_a_chunk_that_takes_longer_than_the_grace_is_left_out(tmp_path, whole, long_chunk, caplog):
    term = lambda ends: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
    with long_chunk(term), pytest.raises(OutOfTime):
        train_tiny(tmp_path, "whole", grace=2.0 * pipeline.SAVING)
    assert "this chunk is left out: little time is left after the signal" in caplog.text
    assert_saved_and_resumed(tmp_path / "whole", whole, caplog)


@pytest.fixture
def large(monkeypatch):
    """A chunk takes the memory of the state before it."""
    monkeypatch.setattr("elsinore.config.planned_memory.LOOKAHEAD_BYTES", 0)


@pytest.mark.slow
def test_a_chunk_that_has_taken_the_state_is_waited_for_and_saved(
    tmp_path, whole, long_chunk, large, caplog
):
    def interrupt_and_let_it_end(ends):
        interrupts(2)(ends)
        ends.set()

    with long_chunk(interrupt_and_let_it_end), pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path, "whole")
    assert "waiting for this chunk, which has taken the memory of the state" in caplog.text
    path = tmp_path / "whole"
    assert kept(path, "emergency") == {"emergency": [f"{UPDATES + 4:010}"]}
    elsinore.resume(path)
    assert_same_run(path, whole)


@pytest.mark.slow
def test_a_third_signal_ends_that_wait(tmp_path, whole, long_chunk, large):
    with long_chunk(interrupts(3)), pytest.raises(KeyboardInterrupt):
        train_tiny(tmp_path, "whole", {"checkpoints.interval_seconds": 0})
    path = tmp_path / "whole"
    assert kept(path, "emergency") == {"emergency": []}
    assert kept(path, "latest")["latest"][-1] == f"{UPDATES:010}"
    elsinore.resume(path)
    assert_same_run(path, whole)


@pytest.mark.parametrize("large", [False, True])
def test_a_run_with_acting_callbacks_keeps_a_small_state_while_its_chunk_is_computed(
    monkeypatch, large
):
    monkeypatch.setattr(pipeline, "HEARTBEAT", 0.01)
    controls, plan, nothing = Controls(), SimpleNamespace(looks_ahead=not large), cast(Any, None)
    under_way = pipeline.InFlight(3, Future(), 0.0)
    runs = pipeline.Pipeline(cast(Any, plan), nothing, nothing, (), 0, controls, ahead=False)
    runs._in_flight = under_way
    controls.stop.hurry(time.monotonic())
    if large:
        threading.Timer(0.1, under_way.computed.set_result, ["computed"]).start()
        assert runs._wait_for(under_way) == "computed"
        return
    assert runs.unsaved_after(3) is None
    with pytest.raises(OutOfTime):
        runs._wait_for(under_way)
    under_way.computed.set_exception(RuntimeError("the chunk itself has failed"))
    assert runs.unsaved_after(3) is None  # the state before it is saved


def test_a_signal_ends_an_evaluation(whole, monkeypatch):
    def slow(episodes):
        os.kill(os.getpid(), signal.SIGINT)
        ends.wait(60.0)

    ends, began = threading.Event(), time.monotonic()
    # which a shell's background job, such as these tests may be, ignores
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr("elsinore.runs.final_evaluation.to_host", slow)
    try:
        with pytest.raises(KeyboardInterrupt):
            elsinore.load(whole).evaluate(4)
        assert time.monotonic() - began < 50.0
    finally:
        ends.set()
        signal.signal(signal.SIGINT, before)


def test_several_processes_launch_on_the_main_thread_and_are_watched_meanwhile(monkeypatch):
    """Else they launch in other orders; and a launch that never returns would name no process."""
    watched, seen = [], []

    @contextmanager
    def watches(self, chunk):
        watched.append(chunk)
        yield
        watched.pop()

    def chunk(states, num_updates):
        seen.append((threading.current_thread() is threading.main_thread(), [*watched]))
        return states, ()

    monkeypatch.setattr(processes, "joined", lambda: True)
    monkeypatch.setattr("elsinore.runs.watchdog.Watchdog.watches", watches)
    schedule = SimpleNamespace(updates_in=lambda index: 4, num_chunks=5)
    plan: Any = SimpleNamespace(env=None, looks_ahead=True, schedule=schedule)
    compiled: Any = SimpleNamespace(chunk=chunk, population_step=None)
    layout: Any = None
    runs = pipeline.Pipeline(plan, layout, compiled, (), 0, Controls(), ahead=True)
    launched = runs._launch((), 3)
    assert seen == [(True, [3])] and launched.computed.result().state == ()
