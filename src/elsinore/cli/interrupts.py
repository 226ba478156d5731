"""Ctrl-C while modules are imported, or programs compiled."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from elsinore.cli.arguments import EXIT_INTERRUPTED
from elsinore.interrupts import raised_again


@contextmanager
def ending_imports() -> Iterator[None]:
    """Inside, SIGINT while a module is imported ends the process at once; else it raises
    KeyboardInterrupt. The initialisation of a library's extension may catch that exception, or
    raise another one in its place, and the command would then continue or fail for another reason.
    """
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        with raised_again():
            yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with_xla() -> None:
    """End the process at once where XLA is still at work, compiling a program or computing a chunk,
    which nothing interrupts and whose threads the interpreter would wait for."""
    threads = sys.modules.get("elsinore.runs.xla_threads")
    if threads is not None and threads.xla_is_at_work():
        with suppress(AttributeError, OSError, ValueError):  # it may be closed, full or None
            sys.stdout.flush()
        os._exit(EXIT_INTERRUPTED)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(EXIT_INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt
