"""A signal stops the run that trains and the series of runs around it."""

import gc
import math
import signal
import threading
import time

import pytest

from elsinore.runs.signals import NotBegun, Stop, stop_on_signals


@pytest.fixture(autouse=True)
def hangup_is_heard():
    """`nohup` has SIGHUP ignored, also by these tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_a_stop_and_afterwards_all_is_as_it_was(number):
    before, stop = signal.getsignal(number), Stop()
    with stop_on_signals(stop):
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    with pytest.raises(KeyboardInterrupt), stop_on_signals(Stop()):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_signal_to_a_run_also_stops_the_series_of_runs_around_it():
    outer, inner = Stop(), Stop()
    with stop_on_signals(outer):
        with stop_on_signals(inner):
            signal.raise_signal(signal.SIGTERM)
        assert inner.is_set() and outer.is_set()


def test_a_run_that_begins_after_the_signal_is_asked_to_stop_at_once():
    inner = Stop()
    with stop_on_signals(Stop()):
        signal.raise_signal(signal.SIGINT)
        with stop_on_signals(inner):
            assert inner.is_set()


def test_one_run_after_another_does_not_remember_the_first_ones_signal():
    first, second = Stop(), Stop()
    with stop_on_signals(first):
        signal.raise_signal(signal.SIGTERM)
    with stop_on_signals(second):
        assert not second.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_of_the_system_sets_a_deadline_and_an_interrupt_does_not(number):
    outer, inner = Stop(), Stop()
    with stop_on_signals(outer, grace=100.0), stop_on_signals(inner, grace=10.0):
        signal.raise_signal(number)
    assert 5.0 < inner.seconds_left < 10.0
    assert outer.deadline == inner.deadline
    patient = Stop()
    with stop_on_signals(patient):
        signal.raise_signal(signal.SIGINT)
    assert patient.seconds_left == math.inf


def test_a_run_that_begins_after_the_signal_has_its_deadline():
    outer, inner = Stop(), Stop()
    with stop_on_signals(outer):
        signal.raise_signal(signal.SIGTERM)
        with stop_on_signals(inner):
            assert inner.deadline == outer.deadline < math.inf


def test_a_hangup_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals(Stop()):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_training_does_not_wait_and_stops_the_series_too(number):
    outer, inner = Stop(), Stop()
    with stop_on_signals(outer), stop_on_signals(inner):
        with pytest.raises(NotBegun), inner.before_training():
            signal.raise_signal(number)
        assert outer.is_set() and not inner.interrupts


def test_a_request_from_another_thread_ends_what_comes_before_training():
    stop = Stop()
    with stop_on_signals(stop), pytest.raises(NotBegun), stop.before_training():
        threading.Thread(target=stop.request).start()
        time.sleep(30)
    assert stop.is_set()


def test_a_request_while_it_trains_only_sets_it():
    stop = Stop()
    with stop_on_signals(stop):
        stop.request()
        time.sleep(0.05)
    stop.request()
    assert stop.is_set()


def test_the_signal_of_a_request_that_comes_late_is_not_a_second_ctrl_c(monkeypatch):
    stop, sent = Stop(), []
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append(number))
    with stop_on_signals(stop):
        with stop.before_training():
            stop.request()
        signal.raise_signal(sent[0])  # training has begun
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_request_to_a_run_outside_the_main_thread_sends_no_signal(monkeypatch):
    stop = Stop()
    monkeypatch.setattr(signal, "pthread_kill", lambda *_: pytest.fail("a signal was sent"))
    with stop.before_training():
        stop.request()


def test_a_run_that_was_asked_to_stop_does_not_begin():
    stop = Stop()
    stop.set()
    with pytest.raises(NotBegun), stop.before_training():
        raise AssertionError("it began")
    assert not stop.interrupts


def test_a_signal_in_a_callback_of_the_garbage_collector_is_not_lost():
    def interrupted(*_):
        gc.callbacks.remove(interrupted)
        signal.raise_signal(signal.SIGINT)

    stop = Stop()
    gc.callbacks.append(interrupted)
    with stop_on_signals(stop), pytest.raises(NotBegun), stop.before_training():
        gc.collect()  # Python ignores what the callback raises
        time.sleep(30)
