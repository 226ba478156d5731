"""Signal handlers that stop a run."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger("elsinore")


@contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGINT and SIGTERM, which ends the run after this chunk; a second SIGINT raises
    KeyboardInterrupt.

    Inside another `stop_on_signals` a signal sets both events, so that a series of runs also stops
    if the signal comes while one of them ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    outer = getattr(signal.getsignal(signal.SIGINT), "stops", ())
    if any(other.is_set() for other in outer):
        stop.set()
    handler = _Handler((stop, *outer))
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class _Handler:
    """Sets the events `stops`, innermost first."""

    def __init__(self, stops: tuple[threading.Event, ...]):
        self.stops = stops

    def __call__(self, number: int, frame: Any) -> None:
        if self.stops[0].is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        for stop in self.stops:
            stop.set()
        log.warning(
            "%s: stopping after this chunk; send it again to stop at once",
            signal.Signals(number).name,
        )
