"""Ctrl-C while modules are imported."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from elsinore.cli.arguments import EXIT_INTERRUPTED


@contextmanager
def ending_imports() -> Iterator[None]:
    """Inside, SIGINT while a module is imported ends the process at once; else it raises
    KeyboardInterrupt. The initialisation of a library's extension may catch that exception, or
    raise another one in its place, and the command would then go on or fail for another reason.
    """
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(EXIT_INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt
