"""Background workers that feed sinks without blocking training.

A worker that fails logs a warning once, retries, and logs when it has caught up. A sink reads what
it missed from the store.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from elsinore.errors import one_line

log = logging.getLogger("elsinore")


class Sink(Protocol):
    """A destination of metrics. All methods are called in the sink's own thread, and may raise."""

    name: str
    every: float  # seconds between reads of the store

    def open(self) -> None: ...

    def catch_up(self) -> None:
        """Write the rows of the store that are new since the last call."""

    def close(self) -> None: ...


class BackgroundWorker:
    """A thread that handles the items of a bounded queue.

    Args:
        retry: try an item that fails again, at growing intervals, before any later one; otherwise
            drop it.
        capacity: when items of this weight wait, the oldest is dropped with a warning.
        weight: of an item; by default 1.
        every: seconds of rest after each item, which leave the cores to the training.
        loss: the consequence for people if the thread is left behind.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[Any], None],
        *,
        open: Callable[[], None] = lambda: None,
        close: Callable[[], None] = lambda: None,
        retry: bool = True,
        capacity: int = 10_000,
        weight: Callable[[Any], int] = lambda item: 1,
        every: float = 0.0,
        loss: str = "",
    ):
        self.name, self._loss = name, loss
        self._handle, self._open, self._close = handle, open, close
        self._retry, self._capacity, self._every = retry, capacity, every
        self._weight, self._waiting = weight, 0  # of all items in the queue
        self._items: deque[Any] = deque()
        self.error: BaseException | None = None  # the last failure's, until an attempt succeeds
        self._change = threading.Condition()
        self._closing, self._busy, self._failing, self._overflowed = False, False, False, False
        self._patient = False  # a caller waits: retry at once, then every second
        self._was_slow = False
        self._thread = threading.Thread(target=self._run, name=f"elsinore-{name}", daemon=True)
        self._thread.start()

    def put(self, item: Any) -> None:
        """Add an item; never blocks."""
        with self._change:
            if self.is_full and self._items:
                behind = len(self._items)
                self._waiting -= self._weight(self._items.popleft())
                if self._capacity > 1 and not self._overflowed:
                    self._overflowed = True
                    log.warning(
                        "%s has fallen %d chunks behind; its oldest are dropped", self.name, behind
                    )
            self._items.append(item)
            self._waiting += self._weight(item)
            self._change.notify_all()

    def wait_for_room(self, stopped: Callable[[], bool], limit: float = math.inf) -> None:
        """Wait while items of more than half the capacity wait for a handler that works, at most
        `limit` seconds; the first wait is logged."""
        end = time.monotonic() + limit
        with self._change:
            while 2 * self._waiting > self._capacity and self.works and not stopped():
                if time.monotonic() >= end:
                    break
                if not self._was_slow:
                    self._was_slow = True
                    text = "%s has fallen %d chunks behind; training waits for it"
                    log.warning(text, self.name, len(self._items))
                self._change.wait(0.5)

    def flush(self, timeout: float, patient: bool = False) -> bool:
        """Wait until all items are handled; False if one was dropped, after `timeout` seconds, or
        after 1.5 s while the handler fails; a patient call waits and retries until the end."""
        began = time.monotonic()
        with self._change:
            self._patient = patient
            self._change.notify_all()
            while self._items or self._busy:
                impatient = self._failing and not patient
                left = began + (min(timeout, 1.5) if impatient else timeout) - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    break
                self._change.wait(min(left, 0.5))
            self._patient = False
            return not (self._items or self._busy or self._overflowed)

    def finish(self, timeout: float) -> bool:
        """Handle the remaining items, close, and end the thread; False after `timeout` seconds."""
        self.begin_to_finish()
        self._thread.join(timeout)
        if self._thread.is_alive():
            loss = f": {self._loss}" if self._loss else ""
            log.warning("%s did not finish in time and was left behind%s", self.name, loss)
        return not self._thread.is_alive()

    def begin_to_finish(self) -> None:
        """As `finish`, without waiting."""
        with self._change:
            self._closing = True
            self._change.notify_all()

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join()

    @property
    def is_left_behind(self) -> bool:
        """True while the thread is at work though it is to finish."""
        return self._closing and self._thread.is_alive()

    @property
    def is_full(self) -> bool:
        """True while the next item would drop the oldest."""
        return self._waiting >= self._capacity

    @property
    def works(self) -> bool:
        """True while nothing fails, and none was dropped."""
        return self._thread.is_alive() and self.error is None and not self._overflowed

    @property
    def behind(self) -> int:
        """The number of items in the queue."""
        return len(self._items)

    @property
    def is_done(self) -> bool:
        """True once the thread has ended with everything handled and closed."""
        return not (self._thread.is_alive() or self._failing or self._items)

    def _run(self) -> None:
        opened = self._persistently(self._open)
        while opened:
            with self._change:
                while not self._items and not self._closing:
                    self._change.wait()
                if not self._items:
                    break
                item, self._busy = self._items.popleft(), True
                self._waiting -= self._weight(item)
            handled = self._persistently(lambda: self._handle(item))  # noqa: B023
            with self._change:
                self._busy = False
                if not handled:  # while closing; a later item would leave a gap
                    self._items.appendleft(item)
                self._change.notify_all()
                if not handled:
                    break
                self._change.wait_for(lambda: self._closing, timeout=self._every)
        if opened:
            self._attempt(self._close, closes=True)

    def _persistently(self, action: Callable[[], None]) -> bool:
        """Repeat an action until it succeeds (with `retry`); one last time while closing."""
        wait = 1.0
        while not self._attempt(action):
            if not self._retry:
                return True
            with self._change:
                if self._closing:
                    return False
                patient = self._patient
                self._change.wait_for(
                    lambda patient=patient: self._closing or (self._patient and not patient),
                    timeout=min(wait, 1.0) if patient else wait,
                )
            wait = min(2 * wait, 60.0)
        return True

    def _attempt(self, action: Callable[[], None], closes: bool = False) -> bool:
        try:
            action()
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # a callback may raise these
            self.error = error
            if not self._failing:
                self._failing = True
                text = one_line(error, 300)
                again = "it will be retried; " if self._retry and not self._closing else ""
                outlook = "" if closes else f" ({again}training continues)"
                log.warning("%s failed: %s: %s%s", self.name, type(error).__name__, text, outlook)
            return False
        self.error = None
        if self._failing and self._retry and not closes:
            self._failing = False
            log.info("%s works again and is up to date", self.name)
        return True


def finish_all(workers: Sequence[BackgroundWorker], seconds: float) -> None:
    """Let workers finish at the same time, within `seconds` in all."""
    until = time.monotonic() + seconds
    for worker in workers:
        worker.begin_to_finish()
    for worker in workers:
        worker.finish(max(until - time.monotonic(), 0.0))


def sink_worker(sink: Sink) -> BackgroundWorker:
    """The worker of a sink. Its queue holds one item, since each wakes the sink to read all new
    rows."""
    return BackgroundWorker(
        sink.name,
        lambda _: sink.catch_up(),
        open=sink.open,
        close=sink.close,
        capacity=1,
        every=sink.every,
    )
