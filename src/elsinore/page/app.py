"""The page's HTTP routes; each endpoint calls one function."""

import asyncio
import contextlib
import functools
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from elsinore.errors import ConfigError
from elsinore.page import launch, run_status
from elsinore.page.answers import Answer
from elsinore.page.guard import Access, Guard
from elsinore.page.live import LiveFeed
from elsinore.page.manage import Manager
from elsinore.page.metrics_csv import csv_pages
from elsinore.page.newest_numbers import newest_numbers
from elsinore.page.overviews import Overviews
from elsinore.page.run_list import RunList
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.scenes import Scenes
from elsinore.page.settings_form import settings_choices, settings_form
from elsinore.runs.control import SOCKET, ask
from elsinore.runs.run_dir import as_file_name

STATIC = Path(__file__).parent / "static"
MAX_BODY = 65_536  # bytes


class PageApi:
    """The endpoints, for the runs of one directory."""

    def __init__(self, top: Path, token: str):
        self.access = Access(token)
        self.directory = RunsDirectory(top)
        self.run_list, self.scenes = RunList(self.directory), Scenes(self.directory)
        self.overviews, self.launcher = Overviews(self.directory), launch.Launcher(self.directory)
        self.manager = Manager(self.directory)
        self.live = LiveFeed(self.directory, self.run_list)

    # Read

    async def index(self, request: Request) -> Response:
        """The page; an address with a token or a code leads to the one without, with a cookie."""
        if not {"token", "code"} & set(request.query_params):
            return FileResponse(STATIC / "index.html")
        cookie = self.access.exchange(request.scope)
        return RedirectResponse("./", 303, headers={"set-cookie": cookie} if cookie else {})

    async def session(self, request: Request) -> Response:
        """The client's permission, the runs directory, and what a run may be started with."""
        return Answer(
            {
                "may_control": self.access.is_owner(request.scope),
                "folder": str(self.directory.top),
                **await asyncio.to_thread(settings_choices),
            }
        )

    async def settings(self, request: Request) -> Response:
        """The settings that a run in an environment with an algorithm would have."""
        env, algo = (request.query_params.get(name, "") for name in ("env", "algo"))
        return Answer(await asyncio.to_thread(settings_form, env, algo))

    async def runs(self, request: Request) -> Response:
        return Answer(await asyncio.to_thread(self.run_list.all))

    async def skipped(self, request: Request) -> Response:
        """Folders that are not listed though they look like runs: name and reason."""
        return Answer(await asyncio.to_thread(self.run_list.skipped))

    async def run(self, request: Request) -> Response:
        details = functools.partial(run_status.details_of, self.directory, _run_name(request))
        return Answer(await asyncio.to_thread(details))

    async def curves(self, request: Request) -> Response:
        span = _integer(request, "first"), _integer(request, "last")
        overview = functools.partial(self.overviews.overview, _run_name(request), *span)
        return Answer(await asyncio.to_thread(overview))

    async def numbers(self, request: Request) -> Response:
        return Answer(await asyncio.to_thread(newest_numbers, self.directory, _run_name(request)))

    async def csv(self, request: Request) -> Response:
        name = _run_name(request)
        pages = csv_pages(self.directory, name)
        # an unreadable run is refused before anything is sent
        head = await asyncio.to_thread(next, pages)
        return StreamingResponse(
            itertools.chain([head], pages),
            media_type="text/csv",
            headers={"content-disposition": _attachment(f"{as_file_name(name)}.csv")},
        )

    async def replays(self, request: Request) -> Response:
        return Answer(await asyncio.to_thread(self.scenes.replays, _run_name(request)))

    async def replay(self, request: Request) -> Response:
        read = functools.partial(
            self.scenes.scenes,
            _run_name(request),
            request.query_params.get("replay", ""),
            first=_integer(request, "first") or 0,
            agent=_integer(request, "agent"),
            trusted=self.access.is_owner(request.scope),
        )
        return Answer(await asyncio.get_running_loop().run_in_executor(self.scenes.worker, read))

    # Control: the guard has checked the token

    async def control(self, request: Request) -> Response:
        run = self.directory.open(_run_name(request))
        self.directory.held(run, run.path / SOCKET)
        command = request.query_params.get("command", "")
        return Answer({"phase": await asyncio.to_thread(ask, run.path, command)})

    async def plan(self, request: Request) -> Response:
        settings = await _launch_settings(request)
        return Answer({"plan": await asyncio.to_thread(self.launcher.plan, settings)})

    async def start(self, request: Request) -> Response:
        settings = await _launch_settings(request)
        return Answer({"run": await asyncio.to_thread(self.launcher.start, settings)})

    async def rename(self, request: Request) -> Response:
        to = request.query_params.get("to", "")
        return Answer({"run": await self._changed(self.manager.rename, _run_name(request), to)})

    async def tag(self, request: Request) -> Response:
        tags = request.query_params.get("tags", "").split(",")
        return Answer({"tags": await self._changed(self.manager.tag, _run_name(request), tags)})

    async def delete(self, request: Request) -> Response:
        return Answer({"trash": await self._changed(self.manager.delete, _run_name(request))})

    async def _changed(self, change: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a change to a run's folder, which the next list shows."""
        result = await asyncio.to_thread(change, *arguments)
        self.run_list.search_again()
        return result


def application(api: PageApi, host: str = "127.0.0.1") -> Guard:
    """The ASGI application; `host` is the address it will listen on."""
    read = (api.session, api.settings, api.runs, api.skipped, api.run, api.curves, api.csv)
    read += (api.numbers, api.replays, api.replay)
    control = (api.control, api.plan, api.start, api.rename, api.tag, api.delete)
    routes = [
        Route("/", api.index),
        Mount("/static", StaticFiles(directory=STATIC)),
        *(Route(f"/api/{f.__name__}", f) for f in read),
        WebSocketRoute("/live", api.live.serve),
        *(Route(f"/api/{f.__name__}", f, methods=["POST"]) for f in control),
    ]
    handlers = {PageError: _refused, ConfigError: _refused, HTTPException: _http_error}
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lambda app: _closing(api))
    return Guard(app, api.access, host)


@contextlib.asynccontextmanager
async def _closing(api: PageApi):
    yield
    api.overviews.close()
    api.scenes.close()


async def _refused(request: Request, error: Exception) -> Response:
    return Answer({"error": str(error)}, status_code=404 if request.method == "GET" else 409)


async def _http_error(request: Request, error: Any) -> Response:
    return Answer({"error": error.detail}, status_code=error.status_code)


def _attachment(name: str) -> str:
    """The header of a download of that name: in ASCII, and whole for what reads RFC 6266."""
    plain = "".join(letter if letter.isascii() else "-" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"


def _run_name(request: Request) -> str:
    return request.query_params.get("run", "")


def _integer(request: Request, name: str) -> int | None:
    """A non-negative integer of the query; None if it is absent or malformed."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _launch_settings(request: Request) -> dict[str, Any]:
    """The settings of a run to start, from the request's body."""
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                raise HTTPException(413, f"the body is longer than {MAX_BODY:,} bytes.")
        return launch.parse_launch(json.loads(body))
    except ClientDisconnect as error:
        raise HTTPException(400, "the body has not arrived.") from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is not JSON.") from error
