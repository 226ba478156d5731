"""`elsinore watch`: start, announce and end the page's server."""

import asyncio
import contextlib
import errno
import functools
import os
import secrets
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import uvicorn

from elsinore.errors import ConfigError, printable
from elsinore.page.app import PageApi, application
from elsinore.page.guard import is_loopback
from elsinore.page.live import MAX_MESSAGE
from elsinore.page.timed_http import TimedHTTP
from elsinore.runs.remote import is_remote
from elsinore.runs.run_dir import RunDir, listing_of

NETWORK_NOTE = """\
  other machines can reach this address; without its token they see runs but cannot control them"""
IDLE_SECONDS = 60.0  # without a client, after which the page of an ended run ends too


def watch(
    target: str | None,
    runs_dir: str,
    host: str,
    port: int,
    browser: bool,
    beside: int | None = None,
    part: str = "",
) -> int:
    """Serve the page of the runs below a directory until interrupted.

    Args:
        target: a run to open first, a directory of runs, or the name of a run in `runs_dir`.
        port: 0 for any free port.
        browser: open one, if there is a screen.
        beside: the process that trains, of `train --watch`: wait for its run, and end some time
            after it.
        part: the part of the run to open, as in the page's address: "Agents/REPLAY/REPLAY".

    Raises:
        ConfigError: if there is no such directory, or the address cannot be used.
    """
    import jax

    # replays are unpacked here; the accelerator is for training
    jax.config.update("jax_platforms", "cpu")
    top, run = find_runs(target, Path(runs_dir), beside is not None)
    with listen(host, port) as listener:
        token = secrets.token_urlsafe(16)
        api = PageApi(top, token)
        url = functools.partial(_url, host, listener.getsockname()[1], run, part)

        def announce() -> None:
            watched = printable(str(top / run if run else top))
            print(f"watching {watched} at\n  {url(token=token)}", flush=True)
            if not is_loopback(host):
                print(NETWORK_NOTE, flush=True)
            if browser and _has_screen():
                webbrowser.open(url(code=api.access.code()))

        _serve(api, host, listener, announce, beside, top / str(run))
    return 0


def _url(host: str, port: int, run: str | None, part: str, **secret: str) -> str:
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fragment = f"#/run/{quote(run, safe='')}" + (f"/{part}" if part else "") if run else ""
    return f"http://{netloc}/?{urlencode(secret)}{fragment}"


def find_runs(target: str | None, runs_dir: Path, beside: bool) -> tuple[Path, str | None]:
    """The directory of runs, and the name of the run to open first if `target` is a run. A copy, by
    its URL, is fetched into `runs_dir`.

    Raises:
        ConfigError: if there is no such directory or copy.
    """
    if target is None:
        return runs_dir, None
    if is_remote(target):
        path = RunDir.open(target, runs_dir).path.absolute()
        return path.parent, path.name
    for path in (Path(target), runs_dir / target):
        if beside or (path / "config.yaml").is_file():
            path = path.absolute()
            return path.parent, path.name
        if path.is_dir():
            return path, None
    raise ConfigError(
        f"{target} is neither a run nor a directory of runs; {listing_of(runs_dir)} lists those"
        f" in {runs_dir}."
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: if the address or port cannot be used.
    """
    if not 0 <= port < 65536:
        raise ConfigError(f"--port {port} must be from 0 (any free port) to 65535.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
        return socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "is in use; choose another, or 0 for any free port" if taken else f"failed: {error}"
        raise ConfigError(f"--port {port} on {host} {why}.") from error


def start_beside(run: Path) -> subprocess.Popen:
    """Start the page of a run that is about to train, as a process; it ends some time after it."""
    command = [sys.executable, "-m", "elsinore.cli", "watch", str(run)]
    command += ["--beside", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def server_of(api: PageApi, host: str) -> uvicorn.Server:
    """The uvicorn server of a page; a WebSocket message that is too long closes its socket."""
    return uvicorn.Server(
        uvicorn.Config(
            application(api, host),
            http=TimedHTTP,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE,
            ws_per_message_deflate=False,
            log_config=None,  # its own would close other libraries' handlers
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def _serve(
    api: PageApi,
    host: str,
    listener: socket.socket,
    announce: Callable[[], None],
    beside: int | None,
    run: Path,
) -> None:
    server = server_of(api, host)

    # from here on an interrupt ends the server without a traceback
    async def after_start() -> None:
        while not server.started:
            await asyncio.sleep(0.01)
        if beside is not None:
            await _begun(RunDir(run), beside)
            if not RunDir(run).config.is_file():  # the command ended before it made the run
                server.should_exit = True
                return
        announce()
        if beside is not None:
            await _end_after_run(server, api, beside)

    async def serve() -> None:
        watcher = asyncio.create_task(after_start())
        await server.serve(sockets=[listener])
        watcher.cancel()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


async def _begun(run: RunDir, parent: int) -> None:
    """Wait until the run trains, or has ended: a command that is refused opens no page."""
    while not run.is_locked() and os.getppid() == parent:
        await asyncio.sleep(0.1)


async def _end_after_run(server: uvicorn.Server, api: PageApi, parent: int) -> None:
    """End when the process that started this one has gone and no client came for a while."""
    idle = 0.0
    while idle < IDLE_SECONDS:
        await asyncio.sleep(1.0)
        orphaned = os.getppid() != parent
        idle = idle + 1.0 if orphaned and not api.live.clients else 0.0
    server.should_exit = True


def _has_screen() -> bool:
    """True if a browser would open in a window rather than in the terminal."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
