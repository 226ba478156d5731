"""A signal asks whatever trains to stop, and whoever trains one run after another."""

import signal
import threading

import pytest

from elsinore.runs.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_a_stop_and_afterwards_all_is_as_it_was(number):
    before, stop = signal.getsignal(number), threading.Event()
    with stop_on_signals(stop):
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    with pytest.raises(KeyboardInterrupt), stop_on_signals(threading.Event()):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_signal_to_the_run_at_hand_is_told_to_whoever_trains_the_next_too():
    outer, inner = threading.Event(), threading.Event()
    with stop_on_signals(outer):
        with stop_on_signals(inner):
            signal.raise_signal(signal.SIGTERM)
        assert inner.is_set() and outer.is_set()


def test_a_run_that_begins_after_the_signal_is_asked_to_stop_at_once():
    inner = threading.Event()
    with stop_on_signals(threading.Event()):
        signal.raise_signal(signal.SIGINT)
        with stop_on_signals(inner):
            assert inner.is_set()


def test_one_run_after_another_does_not_remember_the_first_ones_signal():
    first, second = threading.Event(), threading.Event()
    with stop_on_signals(first):
        signal.raise_signal(signal.SIGTERM)
    with stop_on_signals(second):
        assert not second.is_set()
