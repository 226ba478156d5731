"""Standard streams that may be closed, full, or a pipe without a reader.

The library never prints for its own sake: a training continues without its lines.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any, TextIO

from elsinore.errors import printable


def say(text: str, file: TextIO | None = None) -> None:
    """Print a text that may repeat what a file says, without what a terminal would obey."""
    print(printable(text), file=file)


class ForgivingStream:
    """A text stream that drops what cannot be written."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # ValueError: it is closed
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def _drop(self) -> None:
        """Send the stream's file descriptor to nowhere, so that the rest of its buffer, which
        Python writes at its end, finds room."""
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())


@contextlib.contextmanager
def whole_streams() -> Iterator[None]:
    """Open the standard streams that were closed, so that no other file takes their numbers; print
    "?" for a character that stdout's encoding lacks; and forgive errors of stderr, where warnings
    are `printable`. All is put back afterwards."""
    before, plain = (sys.stdout, sys.stderr), warnings.formatwarning
    warnings.formatwarning = lambda *args, **rest: printable(plain(*args, **rest))
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    errors = getattr(sys.stdout, "errors", None)
    _reconfigure(sys.stdout, "replace")
    sys.stderr = ForgivingStream(sys.stderr or open(os.devnull, "w"))  # noqa: SIM115
    try:
        yield
    finally:
        if isinstance(sys.stdout, ForgivingStream):
            sys.stdout.flush()
        (sys.stdout, sys.stderr), warnings.formatwarning = before, plain
        _reconfigure(sys.stdout, errors)


def _reconfigure(stream: Any, errors: str | None) -> None:
    """Set how a text stream writes what its encoding lacks, if it can be set."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        stream.reconfigure(errors=errors)


def forgive_stdout() -> None:
    """Let the command continue if its lines cannot be printed."""
    sys.stdout = ForgivingStream(sys.stdout)
