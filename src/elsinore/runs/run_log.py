"""The log of a run: its file and the terminal, secrets redacted."""

import contextlib
import errno
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from elsinore.errors import ConfigError, printable, why_unreadable
from elsinore.runs.failures import limit_reached
from elsinore.runs.files.plain_files import is_taken
from elsinore.runs.sinks.console import PROGRESS
from elsinore.runs.trust.redaction import redacted

log = logging.getLogger("elsinore")


class LogFile(logging.FileHandler):
    """A log file that ends, with one warning, where it cannot be written."""

    broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.broken:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        self.broken, error = True, sys.exc_info()[1]
        log.warning("%s cannot be written and ends here: %s", self.baseFilename, error)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is buffered has been given up
            super().close()


class TerminalLog(logging.StreamHandler):
    """Writes to what is `sys.stderr` at the time: a dashboard shows it above itself."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return sys.stderr


class MaskingFormatter(logging.Formatter):
    """A line of a log, its secrets redacted, without what a terminal would obey."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(redacted(super().format(record)))


def _opened(path: Path) -> LogFile:
    try:
        path.parent.mkdir(exist_ok=True)
        if is_taken(path) or path.parent.is_symlink():
            raise OSError(errno.EINVAL, "it is no file of the run")
        return LogFile(path)
    except OSError as error:
        why = limit_reached(error) or f"{why_unreadable(error)}; remove what is in its place"
        raise ConfigError(f"{path} cannot be written: {why}.") from error


def _from_level(level: int) -> Callable[[logging.LogRecord], bool]:
    """A filter of handlers: records of other loggers, and ours from this level on."""
    return lambda record: record.name != log.name or record.levelno >= level


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Log to a file, and to the terminal where no other handler is installed. Progress lines go to
    the file alone, since the terminal shows them itself. The level of the logger holds for all but
    the file.

    Raises:
        ConfigError: if the file cannot be written, or something else is in its place.
    """
    file, progress = _opened(path), logging.getLogger(PROGRESS)
    file.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(message)s"))
    handlers: list[tuple[logging.Logger, logging.Handler]] = [(log, file), (progress, file)]
    if not log.handlers and not logging.getLogger().handlers:
        terminal = TerminalLog()
        terminal.setFormatter(MaskingFormatter("%(message)s"))
        handlers.append((log, terminal))
    others = [*log.handlers, *logging.getLogger().handlers, *(h for _, h in handlers[2:])]
    heard = _from_level(log.level)
    before = [(logger, logger.level, logger.propagate) for logger in (log, progress)]
    log.setLevel(logging.INFO)
    log.propagate, progress.propagate = log.propagate and len(handlers) == 2, False
    for logger, handler in handlers:
        logger.addHandler(handler)
    for handler in others:
        handler.addFilter(heard)
    try:
        yield
    finally:
        for handler in others:
            handler.removeFilter(heard)
        for logger, handler in handlers:
            logger.removeHandler(handler)
            handler.close()
        for logger, level, propagate in before:
            logger.setLevel(level)
            logger.propagate = propagate


@contextlib.contextmanager
def quiet_terminal() -> Iterator[None]:
    """Show only warnings in the terminal, also of runs, whose log files have every message.

    Logging that has handlers already is left alone.
    """
    if log.handlers or logging.getLogger().handlers:
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(MaskingFormatter("%(message)s"))
    log.addHandler(handler)
    log.propagate = False  # libraries may add root handlers while they are imported
    try:
        yield
    finally:
        log.propagate = True
        log.removeHandler(handler)
