"""A read-through cache: Redis before a slow backend, kept by LRU and then by a learned policy, on the same requests.

    pip install 'elsinore[redis]'; apt-get install redis-server
    elsinore train Cache-api --algo ppo --name cache && elsinore export cache -o policy
    python examples/cache_service.py --policy policy

Without --policy a small one is trained first. The requests are a stream of the world Cache-api, played `--speed` times
as fast as they came. Redis holds the answers and their times to live, and alone decides what is a hit; the backend
keeps callers waiting, longer the more work stands in its queue. After each answer the policy says what to do: keep,
fetch ahead, give up. What it sees of the service is what the world would show, computed by the world's own rules.
"""

import argparse
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from elsinore.envs.cache.api import ApiCache, Recorded, stream
from elsinore.envs.cache.api.acting import act
from elsinore.envs.cache.api.tables import tables

Decide = Callable[[np.ndarray], int]  # what is seen -> one of seven actions
LRU: Decide = lambda obs: 0  # noqa: E731  keep what was asked for last, fetch nothing ahead


class Store(Protocol):
    """The commands of Redis that are used."""

    def get(self, name: str) -> Any: ...
    def set(self, name: str, value: bytes, px: int) -> Any: ...
    def delete(self, *names: str) -> Any: ...


class Clock:
    """Seconds of the stream, which pass `speed` times as fast as ours."""

    def __init__(self, speed: float):
        self.speed = speed
        self.start()

    def start(self) -> None:
        self._begin = time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._begin) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)

    def until(self, moment: float) -> None:
        self.sleep(moment - self.now())


@dataclass
class Backend:
    """Does the work that the cache saves: what is queued slows whoever asks. Callers wait side by side, in threads."""

    clock: Any
    params: Any
    backlog: float = 0.0  # seconds of work
    work: float = 0.0  # seconds, done in all
    _looked: float = 0.0
    _callers: Any = field(default_factory=lambda: ThreadPoolExecutor(64))

    def answer(self, obj: int, latency: float) -> tuple[bytes, float]:
        """Somebody waits for this, so many seconds; `latency` of them where nothing is queued."""
        self._drain()
        load = min(1.0, self.backlog / self.params.full_load)
        waits = latency * (1.0 + self.params.slowdown * load)
        self._callers.submit(self.clock.sleep, waits)
        return self.fetch(obj), waits

    def fetch(self, obj: int) -> bytes:
        """Nobody waits for this."""
        self._drain()
        seconds = float(tables().base[tables().object_endpoint[obj]])
        self.backlog, self.work = self.backlog + seconds, self.work + seconds
        if self.backlog > self.params.cascade:  # it sheds half of its queue
            self.backlog /= 2
        return bytes(int(tables().object_size[obj]))

    def _drain(self) -> None:
        now = self.clock.now()
        self.backlog = max(0.0, self.backlog - self.params.drain * (now - self._looked))
        self._looked = now


@dataclass
class Account:
    """What came of the requests."""

    reads: int = 0
    hits: int = 0
    surprises: int = 0  # Redis found, or lacked, what by the rules it should have lacked, or found
    waits: list[float] = field(default_factory=list)  # seconds, of every request
    decisions: list[float] = field(default_factory=list)  # seconds that the policy took, after the answer was given
    load: float = 0.0  # that share of what the backend could do in the time

    def line(self, name: str) -> str:
        wait, decision = 1e3 * np.mean(self.waits), 1e3 * np.median(self.decisions or [0.0])
        return (f"{name:8} {self.hits / self.reads:9.1%} {wait:13.1f} ms {self.load:12.1%} "
                f"{decision:11.2f} ms {self.surprises:10}")  # fmt: skip


HEADING = f"{'':8} {'hit ratio':>9} {'mean latency':>16} {'backend load':>12} {'a decision':>14} {'surprises':>10}"


class Service:
    """Answers requests from the store or the backend, and after each does to the store what the policy says."""

    def __init__(self, requests: Any, store: Store, clock: Any, decide: Decide):
        self.env = ApiCache(Recorded(jax.tree.map(lambda x: np.asarray(x)[None], requests)))
        self.params = self.env.default_params
        self.requests = jax.tree.map(np.asarray, requests)
        self.store, self.clock, self.decide = store, clock, decide
        self.backend, self.account = Backend(clock, self.params), Account()
        self._act = jax.jit(lambda state, action: act(state, action, self.params).contents)
        self._step = jax.jit(lambda state, action: self.env.step_env(jax.random.key(0), state, action, self.params)[:2])

    def run(self) -> Account:
        """Serve them all."""
        obs, state = self.env.reset_env(jax.random.key(0), self.params)
        jax.block_until_ready((self._act(state, 0), self._step(state, 0), self.decide(np.asarray(obs))))
        self.clock.start()  # now that all is compiled
        answer = self.serve(0, state)
        for i in range(1, len(self.requests.time)):
            action = self._decided(np.asarray(obs))
            self._carry_out(state.contents, self._act(state, action), answer)
            obs, state = self._step(state, action)
            self.clock.until(float(self.requests.time[i]))
            answer = self.serve(i, state)
        self.account.load = self.backend.work / (self.params.drain * float(self.requests.time[-1]))
        return self.account

    def serve(self, i: int, state: Any) -> tuple[int, bytes]:
        """The i-th request's object and its answer."""
        obj, write = int(self.requests.obj_id[i]), bool(self.requests.write[i])
        latency = float(self.requests.latency[i]) / 1000
        began = time.perf_counter()
        found = None if write else self.store.get(str(obj))
        wait = time.perf_counter() - began  # Redis is as fast as it is, however fast the stream is played
        if write and (gone := [str(x) for x in self.requests.invalidates[i] if x >= 0]):
            self.store.delete(*gone)
        answer, wait = (found, wait) if found is not None else self.backend.answer(obj, latency)
        account = self.account
        account.waits.append(wait)
        account.reads, account.hits = account.reads + (not write), account.hits + (found is not None)
        account.surprises += (found is not None) != bool(state.hit)
        return obj, answer

    def _decided(self, obs: np.ndarray) -> int:
        began = time.perf_counter()
        action = int(self.decide(obs))
        self.account.decisions.append(time.perf_counter() - began)
        return action

    def _carry_out(self, before: Any, after: Any, answer: tuple[int, bytes]) -> None:
        """Make the store hold what it is now meant to: what is new or fetched afresh comes in, what is left goes."""
        held, meant = ({int(x): float(born) for x, born in zip(c.id, c.born, strict=True) if x >= 0}
                       for c in (jax.device_get(before), jax.device_get(after)))  # fmt: skip
        if gone := [str(obj) for obj in held if obj not in meant]:
            self.store.delete(*gone)
        for obj, born in meant.items():
            if held.get(obj) != born:
                value = answer[1] if obj == answer[0] and obj not in held else self.backend.fetch(obj)
                ttl = float(tables().ttl[tables().object_endpoint[obj]])
                self.store.set(str(obj), value, px=max(1, round(1000 * ttl / self.clock.speed)))


@contextmanager
def redis_server() -> Iterator[Any]:
    """A Redis of one's own on a free port, as a client of it; both end with the block."""
    import redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=port, retry=Retry(ConstantBackoff(0.1), 100))
        try:
            client.ping()  # again and again, until it has started
            yield client
        finally:
            client.close()
            server.terminate()
            server.wait(10)


def exported_policy(folder: Path) -> Decide:
    """A policy that `elsinore export` wrote."""
    from jax import export

    exported = export.deserialize(bytearray((folder / "policy.jaxexport").read_bytes()))
    call = jax.jit(exported.call)
    return lambda obs: int(call(obs[None])[0])


def trained_policy(env_steps: int) -> Decide:
    """A policy of a minute or so."""
    import elsinore

    print(f"no --policy: training one for {env_steps:,} env steps")
    settings = {"env_steps": env_steps, "sinks.mlflow.enabled": False, "sinks.tensorboard": False}
    with tempfile.TemporaryDirectory() as runs_dir:
        run = elsinore.train("Cache-api", "ppo", overrides=settings, runs_dir=runs_dir, name="cache")
        return exported_policy(run.path / "policy")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, metavar="DIR", help="what `elsinore export` wrote")
    parser.add_argument("--env-steps", type=int, default=500_000, help="of training, without --policy")
    parser.add_argument("--requests", type=int, default=513, help="how many (default: an episode's)")
    parser.add_argument("--speed", type=float, default=40.0, help="stream seconds in one of ours")
    parser.add_argument("--seed", type=int, default=1_000, help="of the stream")
    args = parser.parse_args(argv)
    if shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None:
        print("skipped: this needs a real Redis and its client; apt-get install redis-server, pip install redis")
        return 0
    if args.policy is not None and not (args.policy / "policy.jaxexport").exists():
        print(f"--policy {args.policy} holds no policy.jaxexport; write one with `elsinore export RUN -o DIR`.")
        return 2
    learned = trained_policy(args.env_steps) if args.policy is None else exported_policy(args.policy)
    requests = jax.jit(stream, static_argnums=1)(jax.random.key(args.seed), args.requests)
    print(HEADING)
    for name, decide in (("LRU", LRU), ("learned", learned)):
        with redis_server() as client:
            print(Service(requests, client, Clock(args.speed), decide).run().line(name), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
