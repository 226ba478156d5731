"""The WebSocket: new metrics, events and states of the runs that a page shows, as they come.

A page subscribes to runs and says how far it has read each; the server sends what is new:

    page    {"number": 3, "list": true,
             "watch": [{"run": "a", "id": "6f2", "update": 120, "event": 7}]}
    server  {"subscription": 3}
            {"runs": [...], "skipped": {...}}   {"run": "a", "status": {...}}
            {"run": "a", "updates": {...}}   {"run": "a", "error": "..."}

After a lost connection, or a new overview, the page subscribes again from its own position. The
server repeats the `number` of a subscription before all that it sends for it; what comes before
that is for an older position, and the page leaves it out. So no row is lost or repeated. `id` is
the run's `info.run_id`: another run of the same name is read from its beginning.
A socket gets the next message once it has taken the last: a slow one gets longer messages less
often and nothing queues up for it; one that takes nothing is dropped. All sockets are served at the
same moments, so that clients at the same position share one read of the store.
"""

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from elsinore.page.answers import json_text
from elsinore.page.run_list import RunList
from elsinore.page.runs_directory import PageError, RunsDirectory
from elsinore.page.updates import Cursor, updates_since

PERIOD = 0.5  # seconds between two reads of the store
SEND_TIMEOUT = 15.0  # seconds in which a client must take a message
MAX_WATCHED = 16  # runs of one page
MAX_MESSAGE = 16_384  # bytes from a page
CACHED_MESSAGES = 4


@dataclass
class WatchedRun:
    """A client's position in one run, and the last status it was sent."""

    cursor: Cursor
    signature: tuple | None = None
    status: dict[str, Any] | None = None


@dataclass
class Subscription:
    """The runs that a client watches, and the last list it was sent if it wants the list."""

    number: int | None = None  # to be sent; None: none, or it was
    runs: dict[str, WatchedRun] = field(default_factory=dict)
    wants_list: bool = False
    sent_list: tuple | None = None


def parse_subscription(text: str) -> Subscription:
    """The subscription in a page's message.

    Raises:
        ValueError: for a malformed message.
    """
    data = json.loads(text)
    if (
        not isinstance(data, dict)
        or not isinstance(watch := data.get("watch", []), list)
        or len(watch) > MAX_WATCHED
    ):
        raise ValueError(
            f"a message must be an object whose `watch` lists at most {MAX_WATCHED} runs"
        )
    if not isinstance(number := data.get("number"), int | None):
        raise ValueError("the number of a subscription must be an integer")
    subscription = Subscription(number, wants_list=data.get("list") is True)
    for entry in watch:
        name = entry["run"]
        cursor = Cursor(entry.get("update", -1), entry.get("event", 0), entry.get("id"))
        if not isinstance(name, str) or not _is_position(cursor):
            raise ValueError("an entry of `watch` must have a run, an update and an event")
        subscription.runs[name] = WatchedRun(cursor)
    return subscription


def _is_position(cursor: Cursor) -> bool:
    update, event, run_id = cursor
    types = isinstance(update, int) and isinstance(event, int) and isinstance(run_id, str | None)
    return types and -1 <= update < 2**62 and 0 <= event < 2**62


class LiveFeed:
    """Sends every client the updates of its subscription, each at its own pace."""

    def __init__(self, runs: RunsDirectory, run_list: RunList):
        self._runs, self._run_list = runs, run_list
        self._locks: dict[str, threading.Lock] = {}  # by run, so that a slow one delays no other
        self._lock = threading.Lock()  # of what follows
        # (run, signature, cursor) -> message, the cursor after it
        self._cache: dict[tuple, tuple[str, Cursor]] = {}
        self.clients = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until it leaves, sends a malformed message, or stops reading."""
        await socket.accept()
        self.clients += 1
        newest: list[Subscription] = [Subscription()]
        listener = asyncio.create_task(_listen(socket, newest))
        try:
            while not listener.done():
                await self._send_new(socket, newest[0])
                await asyncio.wait(
                    {listener}, timeout=PERIOD - asyncio.get_running_loop().time() % PERIOD
                )
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.clients -= 1
            malformed = listener.done() and listener.result() == "malformed"
            listener.cancel()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(1008 if malformed else 1000), 1.0)

    async def _send_new(self, socket: WebSocket, subscription: Subscription) -> None:
        if subscription.number is not None:
            await _send(socket, _text(subscription=subscription.number))
            subscription.number = None
        if subscription.wants_list:
            runs = await asyncio.to_thread(self._run_list.all)
            listed = runs, await asyncio.to_thread(self._run_list.skipped)
            if listed != subscription.sent_list:
                subscription.sent_list = listed
                await _send(socket, _text(runs=listed[0], skipped=listed[1]))
        for name, watched in list(subscription.runs.items()):
            for message in await asyncio.to_thread(self._messages, name, watched):
                await _send(socket, message)

    def _messages(self, name: str, watched: WatchedRun) -> list[str]:
        """New messages about a run; advances `watched` past them."""
        try:
            signature, status = self._run_list.status(name)
            messages = []
            if signature != watched.signature:
                message, watched.cursor = self._updates(name, signature, watched.cursor)
                watched.signature = signature
                messages += [message] if message else []
            if status != watched.status:
                watched.status = status
                messages.append(_text(run=name, status=status))
            return messages
        except PageError as error:
            status, watched.status = watched.status, {"error": str(error)}
            return [_text(run=name, error=str(error))] if status != watched.status else []

    def _updates(self, name: str, signature: tuple, cursor: Cursor) -> tuple[str, Cursor]:
        """The message of everything after a cursor, empty if nothing is, and the new cursor."""
        key, run = (name, signature, cursor), self._runs.open(name)
        with self._locks.setdefault(name, threading.Lock()):
            if (found := self._cache.get(key)) is not None:
                return found
            with self._runs.database(run) as db:
                updates, after = updates_since(db, cursor)
            found = _text(run=name, updates=updates) if updates else "", after
            with self._lock:
                self._cache[key] = found
                while len(self._cache) > CACHED_MESSAGES:
                    del self._cache[next(iter(self._cache))]
            return found


def _text(**message: Any) -> str:
    return json_text(message)


async def _send(socket: WebSocket, text: str) -> None:
    await asyncio.wait_for(socket.send_text(text), SEND_TIMEOUT)


async def _listen(socket: WebSocket, newest: list[Subscription]) -> str:
    """Replace `newest[0]` by each subscription received; returns the reason of the end."""
    try:
        while True:
            newest[0] = parse_subscription(await socket.receive_text())
    except (ValueError, KeyError, TypeError, RecursionError):
        return "malformed"
    except (WebSocketDisconnect, RuntimeError):
        return "gone"
