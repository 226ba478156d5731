"""What can be asked of the page's server, each a function that calls one thing."""

import asyncio
import contextlib
import functools
import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from elsinore.config.build import ConfigError
from elsinore.host.control import ACTS, ask
from elsinore.host.folder import as_file_name
from elsinore.host.page import facts, starting, table
from elsinore.host.page.guard import Guard, has_token
from elsinore.host.page.lines import Lines
from elsinore.host.page.live import Live
from elsinore.host.page.overviews import Overviews
from elsinore.host.page.runs import Shelf, Unreadable
from elsinore.host.page.scenes import Scenes

STATIC = Path(__file__).parent / "static"
MAX_BODY = 65_536  # bytes


class Page:
    """The server's answers about the runs on one shelf."""

    def __init__(self, top: Path, token: str, opened: str | None = None):
        self.shelf = Shelf(top)
        self.token, self.opened = token, opened
        self.lines, self.scenes = Lines(self.shelf), Scenes(self.shelf)
        self.overviews, self.starter = Overviews(self.shelf), starting.Starter(self.shelf)
        self.live = Live(self.shelf, self.lines)

    # Looking

    async def session(self, request: Request) -> Response:
        """Who is asking, and about what."""
        from elsinore.config.presets import PRESETS

        return JSONResponse({
            "may_act": has_token(request.scope, self.token), "folder": str(self.shelf.top), "open": self.opened,
            "presets": sorted(PRESETS), "acts": ACTS,
        })  # fmt: skip

    async def runs(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self.lines.all))

    async def run(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(facts.page_of, self.shelf, _name(request)))

    async def curves(self, request: Request) -> Response:
        first, last = _number(request, "first"), _number(request, "last")
        return JSONResponse(await asyncio.to_thread(self.overviews.of, _name(request), first, last))

    async def csv(self, request: Request) -> Response:
        lines = table.lines(self.shelf, _name(request))
        head = await asyncio.to_thread(next, lines)  # what cannot be read is refused before anything is sent
        headers = {"content-disposition": f'attachment; filename="{as_file_name(_name(request))}.csv"'}
        return StreamingResponse(itertools.chain([head], lines), media_type="text/csv", headers=headers)

    async def replays(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self.scenes.listed, _name(request)))

    async def replay(self, request: Request) -> Response:
        trusted, which = has_token(request.scope, self.token), request.query_params.get("replay", "")
        first, agent = _number(request, "first") or 0, _number(request, "agent")
        between = functools.partial(self.scenes.between, _name(request), which, first, agent, trusted)
        return JSONResponse(await asyncio.get_running_loop().run_in_executor(self.scenes.worker, between))

    # Acting: the guard has seen the token

    async def act(self, request: Request) -> Response:
        run, act = self.shelf.open(_name(request)), request.query_params.get("act", "")
        self.shelf.check(run.path / "control.sock")
        return JSONResponse({"phase": await asyncio.to_thread(ask, run.path, act)})

    async def plan(self, request: Request) -> Response:
        return JSONResponse({"plan": await asyncio.to_thread(self.starter.plan, await _wish(request))})

    async def start(self, request: Request) -> Response:
        return JSONResponse({"run": await asyncio.to_thread(self.starter.start, await _wish(request))})


def application(page: Page, host: str = "127.0.0.1") -> Guard:
    """The whole server; `host` is where it will listen."""
    look = [
        Route("/", lambda request: FileResponse(STATIC / "index.html")),
        Mount("/static", StaticFiles(directory=STATIC)),
        Mount("/uplot", StaticFiles(directory=_uplot())),
        *(Route(f"/api/{f.__name__}", f)
          for f in (page.session, page.runs, page.run, page.curves, page.csv, page.replays, page.replay)),
        WebSocketRoute("/live", page.live.serve),
    ]  # fmt: skip
    act = [Route(f"/api/{f.__name__}", f, methods=["POST"]) for f in (page.act, page.plan, page.start)]
    told = {Unreadable: _refused, ConfigError: _refused, HTTPException: _http_error}
    app = Starlette(routes=[*look, *act], exception_handlers=told, lifespan=lambda app: _closing(page))
    return Guard(app, page.token, host)


@contextlib.asynccontextmanager
async def _closing(page: Page):
    yield
    page.overviews.close()
    page.scenes.close()


def _uplot() -> Path:
    """Where the package `uplot-python` keeps its JavaScript: found without importing it, which is for notebooks."""
    found = importlib.util.find_spec("uplot")
    if found is None or not found.submodule_search_locations:
        raise ConfigError("the page draws with uplot-python, which is not installed: pip install uplot-python.")
    return Path(found.submodule_search_locations[0]) / "static"


async def _refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=404 if request.method == "GET" else 409)


async def _http_error(request: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


def _name(request: Request) -> str:
    return request.query_params.get("run", "")


def _number(request: Request, name: str) -> int | None:
    """A whole number in the address; None where there is none that can be meant."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _wish(request: Request) -> dict[str, Any]:
    """What is to be begun, in a request's body."""
    told = b""
    async for part in request.stream():
        told += part
        if len(told) > MAX_BODY:
            raise HTTPException(413, f"at most {MAX_BODY:,} bytes are read.")
    try:
        return starting.read_wish(json.loads(told))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the request is no JSON.") from error
