"""Runs that nobody trained, a server that shows them, and the ways to talk to it."""

import contextlib
import http.client
import json
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from websockets.sync.client import ClientConnection, connect

from elsinore.host.control import Controls, listening
from elsinore.host.page import lines, live
from elsinore.host.page.app import Page
from elsinore.host.page.server import listen, server_of
from elsinore.host.store import ChunkRecord, Row, Store

STEPS = 64  # env steps an update takes
TOKEN = "a-token-of-tests"


def told(update: int, seeds=(0, 1), span: int = 4) -> ChunkRecord:
    """A chunk of `span` updates ending at `update`: returns and episodes of each, and one evaluation."""
    rows = [
        Row(at, seed, "", name, value)
        for at in range(update - span + 1, update + 1)
        for seed in seeds
        for name, value in (("episode/return", at + 100.0 * seed), ("episode/count", 2.0), ("loss/value", 1.0 / at))
    ]
    rows += [Row(update, seed, "", "eval/return", 10.0 * update + seed) for seed in seeds]
    return ChunkRecord(update, update * STEPS, rows, 1.7e9 + update, 0.25, 1e4)


def make_run(top: Path, name: str, updates: int = 40, seeds: int = 2, **info) -> Path:
    """A run's folder with chunks of four updates in it."""
    path = top / name
    (path / "logs").mkdir(parents=True)
    (path / "config.yaml").write_text("env: CartPole-v1\nalgo:\n  name: ppo\n")
    (path / "logs" / "train.log").write_text(
        "2026-11-20 10:00:00,1 INFO environment     CartPole-v1\n2026 11 INFO compiling\n"
    )
    store = Store(path / "metrics.sqlite")
    facts = {"env": "CartPole-v1", "algo": "ppo", "seeds": seeds, "first_seed": 0, "num_updates": 100}
    store.describe(**(facts | {"steps_per_update": STEPS, "run_id": name} | info))
    store.tell(0, "begin", "from update 0")
    for update in range(4, updates + 1, 4):
        store.write(told(update, range(seeds)))
    store.close()
    return path


@contextlib.contextmanager
def as_if_trained(path: Path):
    """Somebody answers for the run, as its training would: its chunks take a hundredth of a second."""
    controls, over = Controls(), threading.Event()
    controls.begun.set()

    def train() -> None:
        while not over.wait(0.01):
            controls.hold(lambda: None)

    training = threading.Thread(target=train)
    training.start()
    try:
        with listening(path, controls):
            yield controls
    finally:
        over.set()
        controls.ask("resume")
        training.join()


class Served(NamedTuple):
    """A server that is running, and how to ask it."""

    page: Page
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def ask(self, path: str, method: str = "GET", body: Any = None, headers: dict | None = None, **query):
        """(status, headers, body) of an answer; nothing is followed or mended."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            told = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            line.request(method, path + (f"?{urlencode(query)}" if query else ""), told, headers or {})
            answer = line.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            line.close()

    def get(self, what: str, **query) -> Any:
        status, _, body = self.ask(f"/api/{what}", **query)
        assert status == 200, body
        return json.loads(body)

    def post(self, what: str, body: Any = None, **query) -> tuple[int, Any]:
        status, _, text = self.ask(f"/api/{what}", "POST", body, **({"token": TOKEN} | query))
        return status, json.loads(text)

    def live(self, **options) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/live", max_size=None, **options)


@pytest.fixture(scope="session", autouse=True)
def no_time_to_lose():
    """The server looks oftener than it does for people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "PERIOD", 0.03)
        patch.setattr(lines, "ASK_PERIOD", 0.05)
        patch.setattr(lines, "LIST_PERIOD", 0.05)
        yield


@contextlib.contextmanager
def serving(top: Path, opened: str | None = None):
    """A server in a thread."""
    page, listener = Page(top, TOKEN, opened), listen("127.0.0.1", 0)
    server = server_of(page, "127.0.0.1")
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(page, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def top(tmp_path_factory) -> Path:
    """A folder of runs: two plain ones, and one of a comparison."""
    top = tmp_path_factory.mktemp("runs")
    for name in ("one", "two", "bout/CartPole-v1/ppo"):
        make_run(top, name)
    return top


@pytest.fixture(scope="module")
def served(top):
    with serving(top) as served:
        yield served


def heard(socket: ClientConnection, wanted: str, run: str | None = None, timeout: float = 10.0) -> Any:
    """The next message that holds what is wanted."""
    deadline = time.monotonic() + timeout
    while True:
        message = json.loads(socket.recv(timeout=max(deadline - time.monotonic(), 0.01)))
        if wanted in message and (run is None or message.get("run") == run):
            return message[wanted]


def watch(socket: ClientConnection, *runs: dict, **more) -> None:
    socket.send(json.dumps({"watch": list(runs), **more}))
