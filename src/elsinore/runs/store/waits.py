"""The waits of a training for its store, which may be slower than the training or not be written at
all."""

import logging
import math
from collections.abc import Callable

from elsinore.jaxtools import processes
from elsinore.runs.failures import limit_reached
from elsinore.runs.signals import Stop
from elsinore.runs.store.store import StoreBehind
from elsinore.runs.workers import BackgroundWorker

log = logging.getLogger("elsinore")
SAVE_WAIT = 30.0  # seconds at most for which a save waits
LOOK = 5.0  # seconds between two looks whether a store that is waited for still works


class StoreWaits:
    """The waits of the saves until the store holds all chunks.

    `flush(timeout, patient)` waits, a patient one also while the store fails; `works` is False
    while it fails.
    """

    def __init__(self, flush: Callable[..., bool], works: Callable[[], bool]):
        self.flush, self._works = flush, works
        self._failed = False  # in the last wait: it is not waited for again

    def fails(self) -> bool:
        """True while the store lacks chunks, as in the last wait, which it failed."""
        return self._failed and not self.flush(0.0)

    def before_a_save(self) -> bool:
        """Wait for a store that works, and once for one that fails; False where it lacks chunks."""
        flushed = self.flush(0.0 if self._failed else SAVE_WAIT)
        self._failed = not flushed and not self._works()
        return flushed

    def at_the_end(self, seconds: float, stop: Stop, patient: bool = False) -> bool:
        """Wait for a store that works until it has all or the run is to stop, for another one some
        seconds; False where it lacks chunks."""
        flushed = self.flush(max(min(seconds, stop.seconds_left / 2), LOOK), patient)
        if not flushed and not stop.is_set() and self._works():
            log.warning("metrics.sqlite lacks chunks; the run waits for them at its end")
        while not flushed and not stop.is_set() and self._works():
            flushed = self.flush(LOOK, patient)
        return flushed


def refuse_if_stuck(
    store: BackgroundWorker, on_full_disk: str, stopped: Callable[[], bool] = lambda: False
) -> None:
    """Wait for a store that is slower than the training, until half of what is held in memory is
    free or the run is to stop; refuse to train on where no more can wait.

    Raises:
        StoreBehind: with the reason and a remedy.
    """
    # other processes wait for this one meanwhile, which have a limit of their own
    store.wait_for_room(stopped, processes.LIMIT / 2 if processes.joined() else math.inf)
    error = store.error
    reason = limit_reached(error) if error is not None else "it is slower than the training"
    again = "A resumed run computes what is missing again."
    if error is not None and on_full_disk == "stop" and reason is not None:
        raise StoreBehind(f"metrics.sqlite cannot be written: {reason}. {again}")
    if store.is_full:
        raise StoreBehind(
            f"metrics.sqlite cannot be written: {reason or error}. {store.behind} chunks wait for"
            f" it, as many as are held in memory. {again}"
        )
