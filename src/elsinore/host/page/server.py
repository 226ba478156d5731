"""`elsinore watch`: the page's server, from where to listen until nobody looks any more."""

import asyncio
import contextlib
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import uvicorn

from elsinore.config.build import ConfigError
from elsinore.host.page.app import Page, application
from elsinore.host.page.guard import is_loopback
from elsinore.host.page.live import MAX_MESSAGE

IDLE = 60.0  # seconds without anybody looking, after which the page beside a run that has ended does too


def watch(
    where: str | None, runs_dir: str, host: str, port: int, browser: bool, beside: bool = False, part: str = ""
) -> int:
    """Show the runs below a folder, or one run first, until interrupted.

    Args:
        where: a run, a folder of runs, or a run's name in `runs_dir`.
        port: 0 takes one that is free.
        browser: open it, where there is a screen.
        beside: this process was started by `train --watch`: it waits for the run, and ends some time after it.
        part: of the run to open, as it stands in the page's address: "Agents/REPLAY/REPLAY beside it".

    Raises:
        ConfigError: where there is no such folder, or the address is taken.
    """
    import jax

    jax.config.update("jax_platforms", "cpu")  # replays are unpacked here; an accelerator is the training's
    top, opened = place_of(where, Path(runs_dir), beside)
    listener = listen(host, port)
    page = Page(top, secrets.token_urlsafe(16), opened)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/?token={page.token}"
    url += f"#/run/{quote(opened, safe='')}" + (f"/{part}" if part else "") if opened else ""

    def announce() -> None:
        print(f"watching {top / opened if opened else top} at\n  {url}", flush=True)
        if not is_loopback(host):
            print("  others on the network can look; who has this whole address can act", flush=True)
        if browser and _has_screen():
            webbrowser.open(url)

    _serve(page, host, listener, announce, beside)
    return 0


def place_of(where: str | None, runs_dir: Path, beside: bool) -> tuple[Path, str | None]:
    """The folder of runs, and the run to open first, if one is named.

    Raises:
        ConfigError: where there is no such folder.
    """
    if where is None:
        return runs_dir, None
    for path in (Path(where), runs_dir / where):
        if beside or (path / "config.yaml").is_file():
            path = path.absolute()
            return path.parent, path.name
        if path.is_dir():
            return path, None
    raise ConfigError(f"{where} is neither a run nor a folder of runs; `elsinore runs` lists those in {runs_dir}.")


def listen(host: str, port: int) -> socket.socket:
    """Raises:
    ConfigError: where one cannot listen there."""
    if not 0 <= port < 65536:
        raise ConfigError(f"--port {port} must be from 0 (any that is free) to 65535.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
        return socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "is in use; choose another, or 0 for any that is free" if taken else f"cannot be used: {error}"
        raise ConfigError(f"--port {port} on {host} {why}.") from error


def start_beside(run: Path) -> subprocess.Popen:
    """A page for a run that is about to begin, in a process of its own; it ends by itself after the run."""
    command = [sys.executable, "-m", "elsinore.cli", "watch", str(run), "--beside"]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def server_of(page: Page, host: str) -> uvicorn.Server:
    """What will answer for a page; a message that is too long closes the socket it came by."""
    return uvicorn.Server(uvicorn.Config(
        application(page, host), ws="websockets-sansio", ws_max_size=MAX_MESSAGE, ws_per_message_deflate=False,
        log_level="warning", access_log=False, timeout_graceful_shutdown=1,
    ))  # fmt: skip


def _serve(page: Page, host: str, listener: socket.socket, announce: Callable[[], None], beside: bool) -> None:
    server = server_of(page, host)

    async def once_it_answers() -> None:  # from here on an interrupt ends the server, and no traceback follows
        while not server.started:
            await asyncio.sleep(0.01)
        announce()
        if beside:
            await _end_after_the_run(server, page)

    async def serve() -> None:
        watcher = asyncio.create_task(once_it_answers())
        await server.serve(sockets=[listener])
        watcher.cancel()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


async def _end_after_the_run(server: uvicorn.Server, page: Page) -> None:
    """End once the process that started this one is gone and nobody has looked for a while."""
    parent, idle = os.getppid(), 0.0
    while idle < IDLE:
        await asyncio.sleep(1.0)
        gone = os.getppid() != parent
        idle = idle + 1.0 if gone and not page.live.watching else 0.0
    server.handle_exit(signal.SIGTERM, None)


def _has_screen() -> bool:
    """Whether a browser would open in a window rather than in the terminal."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
