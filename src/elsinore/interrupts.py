"""An interrupt that Python would drop is raised again."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

DELAY = 0.02  # seconds, after which the callback that was interrupted has ended


@contextmanager
def raised_again() -> Iterator[None]:
    """Inside, a KeyboardInterrupt that was ignored is followed by another SIGINT.

    A signal is handled before the main thread's next line of Python. Where that line belongs to a
    callback of the garbage collector (jax has one), a finalizer or a weak reference, Python reports
    what it raises as ignored, and continues: 5 of 30 times Ctrl-C while a run was planned were
    lost. One that is due when the block ends is raised there, and not in what comes after.
    """
    before, due = sys.unraisablehook, []

    def hook(ignored: Any) -> None:
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            return before(ignored)
        again = threading.Timer(DELAY, signal.pthread_kill, (main, signal.SIGINT))
        again.daemon = True
        again.start()
        due.append(again)

    main = threading.main_thread().ident
    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        if due and not due[-1].finished.is_set():
            due[-1].cancel()
            signal.raise_signal(signal.SIGINT)
