"""The WebSocket: what happens in the runs that a page shows, as it happens.

A page says what it watches and how far it has read, and is sent what is new from there:

    page    {"list": true, "watch": [{"run": "a", "update": 120, "heard": 1.7e9}]}
    server  {"runs": [...]}   {"run": "a", "line": {...}}   {"run": "a", "news": {...}}   {"run": "a", "error": "..."}

After a lost connection it says the same with the place it has come to: nothing is missed, nothing told twice. Each
socket is fed from the store when it has taken what it was sent before, so a slow one gets more at a time, less often,
and nothing piles up for it. One that takes nothing at all is dropped. All look at the same moments, so that those who
have come to the same place are told the same, which is read once.
"""

import asyncio
import contextlib
import json
import math
import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from elsinore.host.page.lines import Lines
from elsinore.host.page.runs import Shelf, Unreadable
from elsinore.host.page.tail import Place, news

PERIOD = 0.5  # seconds between two looks
PATIENCE = 15.0  # seconds in which a message must be taken
MOST_WATCHED = 16  # runs of one page
MAX_MESSAGE = 16_384  # bytes from a page
KEPT = 4  # answers that are remembered for whoever asks alike


@dataclass
class Watched:
    """A run on somebody's page."""

    place: Place
    signature: tuple | None = None
    line: dict[str, Any] | None = None


@dataclass
class Wishes:
    """What a page wants to be told."""

    runs: dict[str, Watched] = field(default_factory=dict)
    lists: bool = False
    shown: list | None = None  # the list that it has


def read_wishes(text: str) -> Wishes:
    """From a page's message.

    Raises:
        ValueError: where it is none.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(watch := data.get("watch", []), list) or len(watch) > MOST_WATCHED:
        raise ValueError("not a table with a list of at most 16 runs")
    wishes = Wishes(lists=data.get("list") is True)
    for one in watch:
        name, update, heard = one["run"], one.get("update", -1), one.get("heard", 0.0)
        numbers = isinstance(update, int) and isinstance(heard, int | float) and math.isfinite(heard)
        if not isinstance(name, str) or not numbers or not -1 <= update < 2**62:
            raise ValueError("not a run, an update and a time")
        wishes.runs[name] = Watched(Place(update, float(heard)))
    return wishes


class Live:
    """Everybody who looks, each at their own pace."""

    def __init__(self, shelf: Shelf, lines: Lines):
        self._shelf, self._lines = shelf, lines
        self._lock = threading.Lock()
        self._told: dict[tuple, tuple[str, Place]] = {}  # run, signature, place -> message, the place after it
        self.watching = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one page until it goes away, says what cannot be understood, or takes nothing any more."""
        await socket.accept()
        self.watching += 1
        wishes: list[Wishes] = [Wishes()]
        listener = asyncio.create_task(_listen(socket, wishes))
        try:
            while not listener.done():
                await self._tell(socket, wishes[0])
                await asyncio.wait({listener}, timeout=PERIOD - asyncio.get_running_loop().time() % PERIOD)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.watching -= 1
            malformed = listener.done() and listener.result() == "malformed"
            listener.cancel()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(1008 if malformed else 1000), 1.0)

    async def _tell(self, socket: WebSocket, wishes: Wishes) -> None:
        if wishes.lists:
            runs = await asyncio.to_thread(self._lines.all)
            if runs != wishes.shown:
                wishes.shown = runs
                await _send(socket, _text(runs=runs))
        for name, watched in list(wishes.runs.items()):
            for message in await asyncio.to_thread(self._news, name, watched):
                await _send(socket, message)

    def _news(self, name: str, watched: Watched) -> list[str]:
        """What to say of a run; moves on to the place that it tells of."""
        try:
            signature, line = self._lines.of(name)
            told = []
            if signature != watched.signature:
                message, watched.place = self._since(name, signature, watched.place)
                watched.signature = signature
                told += [message] if message else []
            if line != watched.line:
                watched.line = line
                told.append(_text(run=name, line=line))
            return told
        except Unreadable as error:
            line, watched.line = watched.line, {"error": str(error)}
            return [_text(run=name, error=str(error))] if line != watched.line else []

    def _since(self, name: str, signature: tuple, place: Place) -> tuple[str, Place]:
        """The message of what is new since a place, empty where nothing is, and the place after it."""
        key = (name, signature, place)
        with self._lock:
            if key not in self._told:
                with self._shelf.database(self._shelf.open(name)) as db:
                    found, after = news(db, place)
                self._told[key] = _text(run=name, news=found) if found else "", after
                while len(self._told) > KEPT:
                    del self._told[next(iter(self._told))]
            return self._told[key]


def _text(**message: Any) -> str:
    return json.dumps(message, allow_nan=False)


async def _send(socket: WebSocket, text: str) -> None:
    await asyncio.wait_for(socket.send_text(text), PATIENCE)


async def _listen(socket: WebSocket, wishes: list[Wishes]) -> str:
    """Take what the page says; returns why there is no more."""
    try:
        while True:
            wishes[0] = read_wishes(await socket.receive_text())
    except (ValueError, KeyError, TypeError, RecursionError):
        return "malformed"
    except (WebSocketDisconnect, RuntimeError):
        return "gone"
