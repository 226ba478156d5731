"""Those who look at a run's page: a browser at the curves, one at the agent, a crowd of which one
takes nothing.

Each is `look(url, over, seen)`: look until `over()`, and put what was seen into the table `seen`;
first, that it began.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

CHROMIUM = "/usr/bin/chromium"
CROWD = 20  # connections, the one that takes nothing among them
PERIOD = 0.5  # seconds between two looks at whether it is over


def curves(url: str, over: Callable[[], bool], seen: dict[str, Any]) -> None:
    """Look at the curves as they grow."""
    with browsing(url) as page:
        seen["began"] = True
        while not over():
            page.wait_for_timeout(1000 * PERIOD)


def agent(url: str, over: Callable[[], bool], seen: dict[str, Any]) -> None:
    """Look at the agent, who lives the newest replay again and again."""
    with browsing(url) as page:
        page.get_by_role("tab", name="Agents").click()
        page.locator(".stage .panel").first.wait_for(timeout=120_000)
        seen["began"] = True
        while not over():
            if (play := page.get_by_role("button", name="Play", exact=True)).is_visible():
                play.click()
            page.wait_for_timeout(1000 * PERIOD)


@contextlib.contextmanager
def browsing(url: str) -> Iterator[Any]:
    """A run's page in a browser, drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        options = {"executable_path": CHROMIUM, "args": ["--no-sandbox", "--disable-gpu"]}
        with started.chromium.launch(**options) as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(url)
            page.locator('[data-metric="eval/return"] canvas').wait_for(timeout=120_000)
            yield page


def crowd(url: str, over: Callable[[], bool], seen: dict[str, Any]) -> None:
    """Hear all there is to hear of a run and of the list, twenty times; one stops reading once it
    is connected."""
    asyncio.run(_crowd(url, over, seen))


async def _crowd(url: str, over: Callable[[], bool], seen: dict[str, Any]) -> None:
    place = urlsplit(url)
    run = unquote(place.fragment).rsplit("/", 1)[-1]
    wish = json.dumps({"list": True, "watch": [{"run": run, "update": -1}]})
    heard = [0] * CROWD  # bytes
    listeners = [
        asyncio.create_task(_hear(f"ws://{place.netloc}/live", wish, heard, i))
        for i in range(1, CROWD)
    ]
    stalled = await _stall(place.hostname or "", place.port or 0, wish)
    seen["began"] = True
    while not over():
        await asyncio.sleep(PERIOD)
    lost = sum(task.done() for task in listeners)
    for task in listeners:
        task.cancel()
    stalled.close()
    seen |= {"connections": CROWD, "lost": lost, "heard_bytes": sorted(heard[1:])}


async def _hear(url: str, wish: str, heard: list[int], i: int) -> None:
    from websockets.asyncio.client import connect

    async with connect(url, max_size=None) as line:
        await line.send(wish)
        async for message in line:
            heard[i] += len(message)


async def _stall(host: str, port: int, wish: str) -> asyncio.StreamWriter:
    """A connection that asks for everything, and whose answers nobody takes."""
    _, writer = await asyncio.open_connection(host, port, limit=1024)
    request = (
        "GET /live HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        "",
        "",
    )
    text = wish.encode()
    writer.write("\r\n".join(request).encode() + bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    await writer.drain()
    writer.transport.pause_reading()
    return writer
