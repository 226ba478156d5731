"""Synthetic runs, a server of the page, and requests to it."""

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

from elsinore.page import live, run_list
from elsinore.page.app import PageApi
from elsinore.page.server import listen, server_of
from elsinore.runs.control import Controls, listening
from elsinore.runs.records import ChunkRecord, Row
from elsinore.runs.store.store import Store

STEPS = 64  # env steps an update takes
TOKEN = "a-token-of-tests"


def chunk_ending_at(update: int, seeds=(0, 1), span: int = 4) -> ChunkRecord:
    """A chunk of `span` updates ending at `update`: returns and episodes of each, and one
    evaluation."""
    rows = [
        Row(at, seed, "", name, value)
        for at in range(update - span + 1, update + 1)
        for seed in seeds
        for name, value in (
            ("episode/return", at + 100.0 * seed),
            ("episode/count", 2.0),
            ("loss/value", 1.0 / at),
        )
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
    facts = {
        "env": "CartPole-v1",
        "algo": "ppo",
        "seeds": seeds,
        "first_seed": 0,
        "num_updates": 100,
    }
    store.describe(**(facts | {"steps_per_update": STEPS, "run_id": name} | info))
    store.add_event(0, "begin", "from update 0")
    for update in range(4, updates + 1, 4):
        store.write(chunk_ending_at(update, range(seeds)))
    store.close()
    return path


# by seed, the last update of a long run, and the last with an evaluation
LAST_LEARNT, LAST_EVALUATED = {0: 4000, 1: 2003}, {0: 3999, 1: 2001}


def number_at(update: int, seed: int) -> float:
    """The evaluation of a seed in a long run, and its training return."""
    return update + 10.0 * seed


def long_run(top: Path) -> Path:
    """A run of more updates than a curve has points, of which one seed stops half-way."""
    run = make_run(top, "long", updates=0, num_updates=4000)
    rows = [
        Row(update, seed, "", name, 1.0 if name == "episode/count" else number_at(update, seed))
        for update in range(1, 4001)
        for seed, end in LAST_LEARNT.items()
        for name in ("episode/count", "episode/return", "eval/return")
        if update <= end and (name != "eval/return" or update % 3 == 0)
    ]
    store = Store(run / "metrics.sqlite")
    store.write(ChunkRecord(4000, 4000 * STEPS, rows, 1.7e9, 250.0, 1e4))
    store.close()
    return run


@contextlib.contextmanager
def as_if_trained(path: Path):
    """A thread that answers for the run as its training would, with chunks of 10 ms."""
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
    """A running server, and requests to it."""

    api: PageApi
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"

    def ask(
        self, path: str, method: str = "GET", body: Any = None, headers: dict | None = None, **query
    ):
        """(status, headers, body) of an answer; nothing is followed or mended."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            line.request(
                method, path + (f"?{urlencode(query)}" if query else ""), content, headers or {}
            )
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
    """Shorter polling periods of the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "PERIOD", 0.03)
        patch.setattr(run_list, "ASK_PERIOD", 0.05)
        patch.setattr(run_list, "LIST_PERIOD", 0.05)
        yield


@contextlib.contextmanager
def serving(top: Path):
    """A server in a thread."""
    api, listener = PageApi(top, TOKEN), listen("127.0.0.1", 0)
    server = server_of(api, "127.0.0.1")
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(api, listener.getsockname()[1])
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


def next_message(
    socket: ClientConnection, wanted: str, run: str | None = None, timeout: float = 10.0
) -> Any:
    """The next message with the key `wanted`."""
    deadline = time.monotonic() + timeout
    while True:
        message = json.loads(socket.recv(timeout=max(deadline - time.monotonic(), 0.01)))
        if wanted in message and (run is None or message.get("run") == run):
            return message[wanted]


def watch(socket: ClientConnection, *runs: dict, **more) -> None:
    socket.send(json.dumps({"watch": list(runs), **more}))
