"""A watch over what a process waits for on its devices, where another process has a part of it.

A process that is gone is noticed by JAX's heartbeats. One that lives, and never launches its part
of a computation, is not: the others would wait for it without end. Here they end after a time
limit, and name it.
"""

import contextlib
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterator

import jax

from elsinore.jaxtools import processes

LEAST = 300.0  # seconds that a chunk may take, however short those before it were
MEDIANS = 10  # or so many times their median
FIRST = processes.COMPILING  # seconds for the first chunk, which has none before it
GRACE = 15.0  # seconds in which the others reach their own limit, after one has reached its


class Watchdog:
    """Ends this process where a chunk takes longer than all before it would explain.

    A process that is at its limit says so to the coordination service, waits for the others to do
    so, too, and names those that did not: they hang elsewhere than in the chunk.
    """

    def __init__(self) -> None:
        self._seconds = deque[float](maxlen=101)

    @property
    def limit(self) -> float:
        """Seconds that the next chunk may take."""
        if not self._seconds:
            return FIRST
        return max(LEAST, MEDIANS * statistics.median(self._seconds))

    @contextlib.contextmanager
    def watches(self, chunk: int) -> Iterator[None]:
        """Watch the wait for a chunk; nothing where there is one process."""
        if not processes.joined():
            yield
            return
        done, limit, began = threading.Event(), self.limit, time.monotonic()
        timer = threading.Timer(limit, end_at_limit, (chunk, limit, GRACE, done))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            done.set()
            timer.cancel()
        self._seconds.append(time.monotonic() - began)


def end_at_limit(chunk: int, limit: float, grace: float, done: threading.Event) -> None:
    """End this process, which has waited `limit` seconds for a chunk, unless that is `done` within
    `grace` seconds; name the processes that do not say by then that they wait for it, too."""
    client, number, me = processes.coordination(), jax.process_count(), jax.process_index()
    waits = f"elsinore/waits/{chunk}/{me}"
    client.key_value_set(waits, "", allow_overwrite=True)
    if done.wait(grace):
        client.key_value_delete(waits)  # it may wait for this chunk again: launch, then report
        return
    waiting = {
        int(key.rpartition("/")[2])
        for key, _ in client.key_value_dir_get(f"elsinore/waits/{chunk}/")
    }
    others = [rank for rank in range(number) if rank not in waiting]
    who = f"process {', '.join(map(str, others))} of {number} does not take part in it"
    processes.end_now(
        f"chunk {chunk + 1} is not computed after {limit:.0f} s:"
        f" {who if others else f'all {number} processes wait for their devices'}"
    )
