"""A read-through cache service: Redis before a slow backend, under LRU and under a learned policy,
on the same requests.

    pip install 'elsinore[redis]'; apt-get install redis-server
    elsinore train Cache-api --algo ppo --name cache && elsinore export cache -o policy
    python examples/cache_service.py --policy policy

Without --policy a small one is trained first. The requests are a stream of the environment
Cache-api, replayed `--speed` times as fast. Redis holds the answers and their times to live, and
alone decides what is a hit; the backend delays callers, longer the more work is queued. After each
answer the policy chooses an action: keep, prefetch or evict. Its observation of the service is that
of the environment, computed by the same rules.
"""

import argparse
import importlib.util
import math
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

from elsinore.worlds.cache.api import ApiCache, RecordedStreams, generate_stream
from elsinore.worlds.cache.api.acting import apply_action
from elsinore.worlds.cache.api.tables import api_tables

Decide = Callable[[np.ndarray], int]  # observation -> one of seven actions
LRU: Decide = lambda obs: 0  # noqa: E731  store what was read last, prefetch nothing


class Store(Protocol):
    """The Redis commands in use."""

    def get(self, name: str) -> Any: ...
    def set(self, name: str, value: bytes, px: int) -> Any: ...
    def delete(self, *names: str) -> Any: ...


class Clock:
    """Seconds of the stream, which pass `speed` times as fast as real ones."""

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
    """A slow backend: queued work delays its callers, who wait side by side in threads."""

    clock: Any
    params: Any
    backlog: float = 0.0  # seconds of work
    work: float = 0.0  # seconds, done in all
    _looked: float = 0.0
    _callers: Any = field(default_factory=lambda: ThreadPoolExecutor(64))

    def answer(self, obj: int, latency: float) -> tuple[bytes, float]:
        """Answer a waiting caller: (bytes, seconds of waiting); `latency` is the wait without a
        queue."""
        self._drain()
        load = min(1.0, self.backlog / self.params.full_load)
        waits = latency * (1.0 + self.params.slowdown * load)
        self._callers.submit(self.clock.sleep, waits)
        return self.fetch(obj), waits

    def fetch(self, obj: int) -> bytes:
        """Fetch without a waiting caller."""
        self._drain()
        seconds = float(api_tables().base[api_tables().object_endpoint[obj]])
        self.backlog, self.work = self.backlog + seconds, self.work + seconds
        if self.backlog > self.params.cascade:  # shed half of the queue
            self.backlog /= 2
        return bytes(int(api_tables().object_size[obj]))

    def _drain(self) -> None:
        now = self.clock.now()
        self.backlog = max(0.0, self.backlog - self.params.drain * (now - self._looked))
        self._looked = now


@dataclass
class Account:
    """Counts and times of the served requests."""

    reads: int = 0
    hits: int = 0
    surprises: int = 0  # hits or misses of Redis against the environment's rules
    waits: list[float] = field(default_factory=list)  # seconds, of every request
    # seconds of the policy, after the answer
    decisions: list[float] = field(default_factory=list)
    load: float = 0.0  # share of the backend's capacity in the time

    def line(self, name: str) -> str:
        wait, decision = 1e3 * np.mean(self.waits), 1e3 * np.median(self.decisions or [0.0])
        ratio = self.hits / self.reads if self.reads else 0.0
        return (
            f"{name:8} {ratio:9.1%} {wait:13.1f} ms {self.load:12.1%} "
            f"{decision:11.2f} ms {self.surprises:10}"
        )


HEADING = (
    f"{'':8} {'hit ratio':>9} {'mean latency':>16} {'backend load':>12} {'a decision':>14}"
    f" {'surprises':>10}"
)


class Service:
    """Answers requests from the store or the backend; after each, applies the policy's action to
    the store."""

    def __init__(self, requests: Any, store: Store, clock: Any, decide: Decide):
        self.env = ApiCache(RecordedStreams(jax.tree.map(lambda x: np.asarray(x)[None], requests)))
        self.params = self.env.default_params
        self.requests = jax.tree.map(np.asarray, requests)
        self.store, self.clock, self.decide = store, clock, decide
        self.backend, self.account = Backend(clock, self.params), Account()
        self._act = jax.jit(lambda state, action: apply_action(state, action, self.params).contents)
        self._step = jax.jit(
            lambda state, action: self.env.step_env(jax.random.key(0), state, action, self.params)[
                :2
            ]
        )

    def run(self) -> Account:
        """Serve all requests."""
        obs, state = self.env.reset_env(jax.random.key(0), self.params)
        jax.block_until_ready(
            (self._act(state, 0), self._step(state, 0), self.decide(np.asarray(obs)))
        )
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
        """Serve the i-th request: its object and its answer."""
        obj, write = int(self.requests.obj_id[i]), bool(self.requests.write[i])
        latency = float(self.requests.latency[i]) / 1000
        began = time.perf_counter()
        found = None if write else self.store.get(str(obj))
        # Redis is as fast as it is, however fast the stream is played
        wait = time.perf_counter() - began
        if write and (gone := [str(x) for x in self.requests.invalidates[i] if x >= 0]):
            self.store.delete(*gone)
        answer, wait = (found, wait) if found is not None else self.backend.answer(obj, latency)
        account = self.account
        account.waits.append(wait)
        account.reads, account.hits = (
            account.reads + (not write),
            account.hits + (found is not None),
        )
        account.surprises += (found is not None) != bool(state.hit)
        return obj, answer

    def _decided(self, obs: np.ndarray) -> int:
        began = time.perf_counter()
        action = int(self.decide(obs))
        self.account.decisions.append(time.perf_counter() - began)
        return action

    def _carry_out(self, before: Any, after: Any, answer: tuple[int, bytes]) -> None:
        """Apply the change of contents to the store: set new and refreshed objects, delete evicted
        ones."""
        held, meant = (
            {int(x): float(born) for x, born in zip(c.id, c.born, strict=True) if x >= 0}
            for c in (jax.device_get(before), jax.device_get(after))
        )
        if gone := [str(obj) for obj in held if obj not in meant]:
            self.store.delete(*gone)
        for obj, born in meant.items():
            if held.get(obj) != born:
                value = (
                    answer[1] if obj == answer[0] and obj not in held else self.backend.fetch(obj)
                )
                ttl = float(api_tables().ttl[api_tables().object_endpoint[obj]])
                self.store.set(str(obj), value, px=max(1, round(1000 * ttl / self.clock.speed)))


@contextmanager
def redis_server() -> Iterator[Any]:
    """A Redis server on a free port, as a client of it; both end with the block."""
    import redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "redis-server",
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            folder,
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=port, retry=Retry(ConstantBackoff(0.1), 100))
        try:
            client.ping()  # retried until it has started
            yield client
        finally:
            client.close()
            server.terminate()
            server.wait(10)


def exported_policy(folder: Path) -> Decide:
    """Load a policy that `elsinore export` wrote."""
    from jax import export

    exported = export.deserialize(bytearray((folder / "policy.jaxexport").read_bytes()))
    call = jax.jit(exported.call)
    return lambda obs: int(call(obs[None])[0])


def trained_policy(env_steps: int) -> Decide:
    """Train a policy for about a minute."""
    import elsinore

    print(f"no --policy: training one for {env_steps:,} env steps")
    settings = {"env_steps": env_steps, "sinks.mlflow.enabled": False, "sinks.tensorboard": False}
    with tempfile.TemporaryDirectory() as runs_dir:
        run = elsinore.train(
            "Cache-api", "ppo", overrides=settings, runs_dir=runs_dir, name="cache"
        )
        return exported_policy(run.path / "policy")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--policy", type=Path, metavar="DIR", help="a folder written by `elsinore export`"
    )
    parser.add_argument(
        "--env-steps", type=int, default=500_000, help="of training, without --policy"
    )
    parser.add_argument(
        "--requests", type=int, default=513, help="number of requests (default: an episode's)"
    )
    parser.add_argument("--speed", type=float, default=40.0, help="stream seconds per real second")
    parser.add_argument("--seed", type=int, default=1_000, help="of the stream")
    args = parser.parse_args(argv)
    if args.requests < 2:
        parser.error(f"--requests {args.requests} must be at least 2")
    if not 0 < args.speed < math.inf:
        parser.error(f"--speed {args.speed} must be above 0")
    if shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None:
        print(
            "skipped: this needs Redis and its client; apt-get install redis-server, pip"
            " install redis"
        )
        return 0
    if args.policy is not None and not (args.policy / "policy.jaxexport").exists():
        print(
            f"--policy {args.policy} holds no policy.jaxexport; write one with `elsinore export RUN"
            " -o DIR`."
        )
        return 2
    learned = (
        trained_policy(args.env_steps) if args.policy is None else exported_policy(args.policy)
    )
    requests = jax.jit(generate_stream, static_argnums=1)(jax.random.key(args.seed), args.requests)
    print(HEADING)
    for name, decide in (("LRU", LRU), ("learned", learned)):
        with redis_server() as client:
            print(Service(requests, client, Clock(args.speed), decide).run().line(name), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
