"""A run's control socket, by which other processes pause, resume, save and stop the training.

    runs/<name>/control.sock   exists while the run trains; only its owner can read and write it

A request is one line of JSON, `{"act": "pause"}`, and so is the answer, `{"phase": "paused"}` or
`{"error": "..."}`. An act takes effect between two chunks, and is an event in metrics.sqlite.
"""

import contextlib
import json
import logging
import os
import socket
import socketserver
import stat
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from elsinore.errors import ConfigError, quoted
from elsinore.jaxtools import processes
from elsinore.runs.signals import Stop
from elsinore.runs.store.store import Store

log = logging.getLogger("elsinore")
SOCKET = "control.sock"
ACTS = {
    "pause": "after the current chunk",
    "step": "one chunk, then pause",
    "resume": "continue training",
    "save": "a checkpoint after the current chunk",
    "stop": "with a checkpoint after the current chunk; at once while programs compile",
}
MAX_LINE = 4096  # bytes
MAX_ADDRESS = 100  # bytes: systems allow 104 or 108


class Busy(ConfigError):
    """A run that trains but does not answer in time."""


class Asked(NamedTuple):
    """Requests that all processes of a run know, the same in each of them."""

    stop: bool
    pause: bool
    save: bool


class Controls:
    """Requests to a run, set by any thread and followed by the training loop between chunks.

    Any of several processes can be asked to stop, by a signal; the first one, which has the
    socket, is asked for the rest. `heard` makes each of them know both.
    """

    def __init__(self, stop: Stop | None = None):
        self.stop = stop or Stop()
        self.save = threading.Event()
        self.begun = threading.Event()  # the programs are compiled
        self._change = threading.Condition()
        self._paused, self._waits, self._steps = False, False, 0

    @property
    def phase(self) -> str:
        """One of compiling, training, pausing (until the current chunk ends), paused, stopping."""
        if self.stop.is_set():
            return "stopping"
        if self._paused:
            return "paused" if self._waits else "pausing"
        return "training" if self.begun.is_set() else "compiling"

    @property
    def paused(self) -> bool:
        """True if no further chunk may begin; `phase` shows if the last one has ended."""
        return self._paused and not self.stop.is_set()

    def ask(self, act: str) -> None:
        """Request one of `ACTS`; never blocks."""
        with self._change:
            if act in ("pause", "step", "resume"):
                self._paused = act != "resume"
                self._steps = 1 if act == "step" else 0
            else:
                {"save": self.save.set, "stop": self.stop.request}[act]()
            self._change.notify_all()

    def heard(self, taking_steps: bool = False) -> Asked:
        """Requests until now; of several processes all must call. With `taking_steps` a pause
        lets one chunk pass where a step was requested."""
        pause = self.paused and not (taking_steps and self._takes_step())
        mine = [self.stop.is_set(), pause, self.save.is_set()]
        found = processes.gathered(mine, "requests")
        if stop := any(asked for asked, _, _ in found):
            self.stop.set()
        return Asked(stop, found[0][1] and not stop, found[0][2])

    def hold(
        self, save: Callable[[], Any], before_pause: Callable[[], Any] = lambda: None
    ) -> tuple[float, bool]:
        """Wait while paused, and save on request: the seconds waited, and whether to stop.

        `before_pause` is called once, while the phase is still `pausing`.
        """
        began = time.perf_counter()
        while (asked := self.heard(taking_steps=True)).pause:
            if not self._waits:
                before_pause()
                self._waits = True
            if asked.save:
                save()
                self.save.clear()
            with self._change:
                self._change.wait(timeout=0.2)  # a signal sets `stop` without notify
        self._waits = False
        return time.perf_counter() - began, asked.stop

    def _takes_step(self) -> bool:
        with self._change:
            taken, self._steps = self._steps > 0, 0
        return taken


@contextlib.contextmanager
def listening(run: Path, controls: Controls) -> Iterator[None]:
    """Serve the run's control socket in a thread; if it cannot be opened, training runs without."""
    path = run / SOCKET
    try:
        server = _serve(path, lambda act: _obey(run, controls, act), lambda: controls.phase)
    except OSError as error:
        log.warning("%s cannot be opened (%s): only signals can stop the run", path, error)
        yield
        return
    ours = _identity(path)
    # the poll interval bounds how long the end of a run waits
    serve = partial(server.serve_forever, poll_interval=0.1)
    thread = threading.Thread(target=serve, name="elsinore-control", daemon=True)
    thread.start()
    try:
        yield
    finally:
        if _identity(path) == ours:  # not of a new run where this one's folder was moved
            path.unlink(missing_ok=True)
        server.shutdown()
        server.server_close()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """The identity of a file, which no later one of that name has; None without it."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def ask(run: Path, act: str = "status", timeout: float = 15.0) -> str:
    """Request one of `ACTS` or the `status` from the process that trains a run; returns its phase.

    While that process traces a program, its answer may take seconds.

    Raises:
        Busy: if the answer takes longer than `timeout`, in seconds.
        ConfigError: if no process trains the run, or the act is unknown.
    """
    path = run / SOCKET
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileNotFoundError
        with socket.socket(socket.AF_UNIX) as line, _reachable(path) as address:
            line.settimeout(timeout)
            line.connect(address)
            line.sendall(json.dumps({"act": act}).encode() + b"\n")
            answer = json.loads(line.makefile("rb").readline(MAX_LINE))
    except TimeoutError as error:
        raise Busy(f"{run.name} does not answer within {timeout:g} s; try again.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{run.name} is not being trained, so {act!r} cannot be requested; start it with"
            f" `elsinore train --resume {quoted(run)}`."
        ) from error
    if "error" in answer:
        raise ConfigError(answer["error"])
    return str(answer.get("phase", "training"))


def _obey(run: Path, controls: Controls, act: str) -> None:
    controls.ask(act)
    log.info("%s was requested: %s", act, ACTS[act])
    try:
        with contextlib.closing(Store(run / "metrics.sqlite")) as store:
            chunks = store.chunks()
            store.add_event(chunks[-1][0] if chunks else 0, act, f"requested: {ACTS[act]}")
    except Exception as error:  # the act takes effect without its record
        log.warning("%s could not be recorded: %s", act, error)


class _Answer(socketserver.StreamRequestHandler):
    timeout = 2.0  # seconds for the whole line

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.wfile.write(
                json.dumps(self._answer(self.rfile.readline(MAX_LINE))).encode() + b"\n"
            )

    def _answer(self, line: bytes) -> dict[str, str]:
        server: Any = self.server
        try:
            act = str(json.loads(line)["act"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": 'a request is one line of JSON such as {"act": "pause"}.'}
        if act in ACTS:
            server.obey(act)
        elif act != "status":
            return {"error": f"act={act!r} is unknown; choose one of {', '.join(ACTS)}, status."}
        return {"phase": server.phase()}


class _Server(socketserver.UnixStreamServer):
    obey: Callable[[str], None]
    phase: Callable[[], str]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnects early."""


def _serve(path: Path, obey: Callable[[str], None], phase: Callable[[], str]) -> _Server:
    """A socket at `path` that only its owner can use, with its mode set before it listens."""
    # left by a killed run; this process holds the run's lock
    path.unlink(missing_ok=True)
    with _reachable(path) as address:
        server = _Server(address, _Answer, bind_and_activate=False)
        server.obey, server.phase = obey, phase
        try:
            server.server_bind()
            path.chmod(0o600)
            server.server_activate()
        except OSError:
            server.server_close()
            raise
    return server


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for `path` short enough for a socket's address; a long path goes through its folder's
    file descriptor (Linux)."""
    if len(os.fsencode(path)) <= MAX_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
