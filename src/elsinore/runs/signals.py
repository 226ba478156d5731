"""Signal handlers that stop a run."""

import logging
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from elsinore.interrupts import raised_again
from elsinore.jaxtools import processes

log = logging.getLogger("elsinore")


GRACE = 20.0  # seconds; Docker sends SIGKILL 10 s after SIGTERM, Kubernetes and SLURM 30 s
MARGIN = 0.1  # the share of the grace that is left to the end of the process
MORE_TIME = "a longer --grace gives more"
AT_ONCE = 10.0  # seconds after a second SIGINT, in which what was computed is written
BEFORE_THE_NEXT = "before the next run"  # `Stop.ends` of a series of runs
EXPECTED = "the time of what comes next"
HURRIED = (signal.SIGTERM, signal.SIGHUP)


class Stop(threading.Event):
    """A request to stop; after SIGTERM, SIGHUP or a second SIGINT with a deadline."""

    deadline = math.inf  # on the clock of time.monotonic
    ends = "after this chunk"  # as a signal says it
    interrupts = False  # True while a signal raises NotBegun
    _handled = False  # True while a signal's handler sets it
    _requested = False  # True from `request` until its signal is handled

    @contextmanager
    def before_training(self) -> Iterator[None]:
        """Inside, nothing is lost by a stop: a signal raises NotBegun, in whatever it finds.

        Raises:
            NotBegun: at once if the stop was requested before.
        """
        self.interrupts = True
        try:
            if self.is_set():
                raise NotBegun
            yield
        finally:
            self.interrupts = False

    def request(self) -> None:
        """Set it, from any thread; as a signal would, it ends what `before_training` surrounds."""
        self.set()
        if self._handled and self.interrupts:
            self._requested = True
            signal.pthread_kill(cast("int", threading.main_thread().ident), signal.SIGINT)

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Inside, signals are handled in the main thread by setting it."""
        self._handled = True
        try:
            yield
        finally:
            self._handled = False

    def is_from_request(self) -> bool:
        """True once for the signal that `request` sent."""
        found, self._requested = self._requested, False
        return found

    def hurry(self, deadline: float) -> None:
        self.deadline = min(self.deadline, deadline)

    @property
    def seconds_left(self) -> float:
        """The time until the deadline, at least 0; infinite without one."""
        return max(self.deadline - time.monotonic(), 0.0)


class NotBegun(KeyboardInterrupt):
    """A run that a signal stopped before it trained: while its programs were compiled, or its
    initial states computed."""


class OutOfTime(KeyboardInterrupt):
    """A run that was stopped and saved, and whose grace is too short for its final evaluation."""


def refuse_if_late(stop: Stop, seconds: float) -> None:
    """Raise OutOfTime if `seconds`, which the first process knows, are more than half of the time
    that is left in any. Before it comes here it may have written a large checkpoint."""
    seconds = processes.agreed(seconds, EXPECTED, processes.COMPILING)
    late = stop.deadline < math.inf and stop.seconds_left <= 2 * seconds
    if processes.any_of(late, "late"):
        needed = f", and it may take {seconds:.0f} s" if seconds else ""
        text = (
            f"stopped; the final evaluation is left out: {stop.seconds_left:.0f} s are left after"
            f" the signal{needed}; {MORE_TIME}"
        )
        log.warning(text)
        raise OutOfTime(text)


@contextmanager
def stop_on_signals(stop: Stop, grace: float = GRACE) -> Iterator[None]:
    """Set `stop` on SIGINT, SIGTERM and SIGHUP, which ends the run after this chunk, or at once
    where it has not begun to train; a second SIGINT raises KeyboardInterrupt. SIGTERM and SIGHUP
    also set its deadline, in `grace` seconds, and a second SIGINT in ten.

    Inside another `stop_on_signals` a signal sets both events, so that a series of runs also stops
    if the signal comes while one of them ends. SIGHUP stays ignored under `nohup`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    outer = getattr(signal.getsignal(signal.SIGINT), "stops", ())
    for other in (other for other in outer if other.is_set()):
        stop.hurry(other.deadline)
        stop.set()
    handler = _Handler((stop, *outer), grace)
    numbers = [signal.SIGINT, signal.SIGTERM]
    numbers += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else []
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        with raised_again(), stop.handled():
            yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class _Handler:
    """Sets the events `stops`, innermost first."""

    def __init__(self, stops: tuple[Stop, ...], grace: float):
        self.stops, self._grace = stops, grace

    def __call__(self, number: int, frame: Any) -> None:
        again, requested = self.stops[0].is_set(), self.stops[0].is_from_request()
        if again and self.stops[0].interrupts:
            raise NotBegun
        if requested:  # since it was sent, training began, and ends after its first chunk
            return
        if again and number == signal.SIGINT:
            for stop in self.stops:
                stop.hurry(time.monotonic() + AT_ONCE)
            raise KeyboardInterrupt
        late = time.monotonic() + (1 - MARGIN) * self._grace if number in HURRIED else math.inf
        for stop in self.stops:
            stop.hurry(late)
            stop.set()
        if self.stops[0].interrupts:
            log.warning("%s: stopping before any training", signal.Signals(number).name)
            raise NotBegun
        log.warning(
            "%s: stopping %s; send %s to stop at once",
            signal.Signals(number).name,
            self.stops[0].ends,
            "it again" if number == signal.SIGINT else "SIGINT",
        )
