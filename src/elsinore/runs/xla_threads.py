"""Threads in which XLA compiles or computes, so that this process hears signals meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# Begins the names of threads in which XLA is at work, which nothing interrupts.
XLA_THREADS = "elsinore-xla"


def in_own_thread(function: Callable[..., Any], *args: Any) -> Future:
    """Call a function in which XLA is at work on a thread of its own; a signal ends a wait for its
    result, and not the function."""
    own_thread = ThreadPoolExecutor(1, XLA_THREADS)
    found = own_thread.submit(function, *args)
    own_thread.shutdown(wait=False)
    return found


def xla_is_at_work() -> bool:
    """True while XLA compiles a program, or computes, in a thread of this process that nothing
    interrupts."""
    return any(thread.name.startswith(XLA_THREADS) for thread in threading.enumerate())
