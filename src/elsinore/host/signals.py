"""Asking a run to stop."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger("elsinore")


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM ask for a stop at the next chunk; a second SIGINT does not wait for it.

    Inside another of its kind it tells both: whoever trains run after run hears of a signal that came as one of them
    was ending anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    outer = getattr(signal.getsignal(signal.SIGINT), "stops", ())
    if any(other.is_set() for other in outer):
        stop.set()
    ask = _Ask((stop, *outer))
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Ask:
    """A signal's handler that knows whom it tells, innermost first."""

    def __init__(self, stops: tuple[threading.Event, ...]):
        self.stops = stops

    def __call__(self, number: int, frame: Any) -> None:
        if self.stops[0].is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        for stop in self.stops:
            stop.set()
        log.warning("%s: stopping after this chunk; once more to stop at once", signal.Signals(number).name)
