"""The cache service: what it holds is what the rules say, by whatever clock and in whatever store
it runs."""

import importlib.util
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from elsinore.worlds.cache.api import generate_stream
from elsinore.worlds.cache.api.acting import EAGER, EVICT_LRU, KEEP, MODERATE, NOTHING

PATH = Path(__file__).resolve().parents[2] / "examples" / "cache_service.py"
spec = importlib.util.spec_from_file_location("cache_service", PATH)
service = importlib.util.module_from_spec(spec)
spec.loader.exec_module(service)


class StandingClock:
    """Time passes from request to request, and waiting takes none: as in the world, where callers
    wait side by side."""

    speed = 1.0

    def __init__(self):
        self.moment = 0.0

    def start(self):
        self.moment = 0.0

    def now(self):
        return self.moment

    def sleep(self, seconds):
        pass

    def until(self, moment):
        self.moment = moment


class FakeStore:
    """Redis, as far as the service knows it."""

    def __init__(self, clock):
        self.clock, self.held, self.logged = clock, {}, []

    def get(self, name):
        value, ends = self.held.get(name, (None, np.inf))
        return value if self.clock.now() < ends else None

    def set(self, name, value, px):
        self.logged.append(("set", name))
        self.held[name] = (value, self.clock.now() + px / 1000)

    def delete(self, *names):
        self.logged.append(("delete", *names))
        for name in names:
            self.held.pop(name, None)


@pytest.fixture(scope="module")
def requests():
    return jax.jit(generate_stream, static_argnums=1)(jax.random.key(0), 200)


def served(requests, decide):
    clock = StandingClock()
    store = FakeStore(clock)
    mine = service.Service(requests, store, clock, decide)
    return mine.run(), store, mine


@pytest.fixture(scope="module")
def by_lru(requests):
    return served(requests, service.LRU)


def varied(obs):
    """Something of everything, by what is seen."""
    return (NOTHING, KEEP, MODERATE, EAGER, EVICT_LRU)[int(1e4 * abs(obs).sum()) % 5]


@pytest.mark.slow
@pytest.mark.parametrize("decide", [service.LRU, varied], ids=["LRU", "varied"])
def test_the_store_finds_what_the_rules_say_it_should(requests, by_lru, decide):
    account, store, _ = by_lru if decide is service.LRU else served(requests, decide)
    assert account.surprises == 0
    assert account.reads == int((~requests.write).sum())
    assert 0 < account.hits < account.reads
    assert {"set", "delete"} == {command for command, *_ in store.logged}


def test_a_hit_waits_for_nothing_and_all_else_for_the_backend(requests, by_lru):
    account, _, _ = by_lru
    waits = np.array(account.waits)
    assert len(waits) == 200
    # the quickest answer of the backend takes longer
    assert int((waits < 0.01).sum()) == account.hits
    assert waits.max() > float(requests.latency.max()) / 1000  # a request stood in the queue


def test_under_lru_the_backend_works_for_misses_and_writes_only(requests, by_lru):
    account, _, mine = by_lru
    tables = service.api_tables()
    missed = np.array(account.waits) >= 0.01
    base = tables.base[np.asarray(requests.endpoint)][missed]
    assert mine.backend.work == pytest.approx(base.sum())
    assert account.load == pytest.approx(base.sum() / 0.25 / float(requests.time[-1]))


def test_fetching_ahead_hits_more_and_makes_the_backend_work_more(requests, by_lru):
    account, _, _ = served(requests, lambda obs: MODERATE)
    assert account.hits > by_lru[0].hits
    assert account.load > by_lru[0].load
    assert len(account.decisions) == 199


def test_a_stream_without_a_read_has_no_hit():
    line = service.Account(waits=[0.2, 0.4]).line("LRU")
    assert line.split()[:4] == ["LRU", "0.0%", "300.0", "ms"]


def test_a_backend_slows_with_its_queue_and_recovers_with_time():
    clock = StandingClock()
    backend = service.Backend(clock, service.ApiCache().default_params)
    obj = int(service.api_tables().first_id[13])  # 0.45 s of work
    waits = [backend.answer(obj, 0.1)[1] for _ in range(2)]
    assert waits == pytest.approx([0.1, 0.1 * (1 + 3 * 0.45 / 0.75)])
    clock.until(100.0)
    assert backend.answer(obj, 0.1)[1] == pytest.approx(0.1)
    assert backend.work == pytest.approx(3 * 0.45)


def test_a_backend_sheds_half_of_a_queue_that_is_too_long():
    backend = service.Backend(StandingClock(), service.ApiCache().default_params)
    for _ in range(6):  # 2.7 s of work, above 2.5
        backend.fetch(int(service.api_tables().first_id[13]))
    assert backend.backlog == pytest.approx(1.35)


def test_a_clock_may_run_faster_than_ours():
    clock = service.Clock(speed=100.0)
    clock.until(3.0)
    assert 3.0 <= clock.now() < 300.0
    clock.start()
    assert clock.now() < 3.0


# With a real Redis

redis_server = pytest.mark.skipif(
    shutil.which("redis-server") is None or importlib.util.find_spec("redis") is None,
    reason="needs redis-server",
)


def test_without_redis_it_says_so_and_does_nothing(monkeypatch, capsys):
    monkeypatch.setattr(service.shutil, "which", lambda name: None)
    assert service.main([]) == 0
    assert "apt-get install redis-server" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--requests", "1", "--requests 1 must be at least 2"),
        ("--speed", "0", "--speed 0.0 must be above 0"),
        ("--speed", "nan", "--speed nan must be above 0"),
    ],
)
def test_a_number_that_will_not_do_is_refused(option, value, text, capsys):
    with pytest.raises(SystemExit):
        service.main([option, value])
    assert text in capsys.readouterr().err


@redis_server
def test_a_folder_without_a_policy_is_refused(tmp_path, capsys):
    assert service.main(["--policy", str(tmp_path)]) == 2
    assert "holds no policy.jaxexport" in capsys.readouterr().out


@redis_server
@pytest.mark.slow
def test_a_real_redis_is_kept_by_lru_and_by_a_policy_of_a_run(tmp_path, capsys):
    import elsinore

    tiny = {
        "env_steps": 512,
        "algo.num_envs": 4,
        "algo.rollout_length": 32,
        "algo.network.hidden": [8],
        "evaluation.episodes": 2,
        "evaluation.final_episodes": 2,
        "sinks.mlflow.enabled": False,
        "sinks.console": False,
    }
    run = elsinore.train("Cache-api", "ppo", overrides=tiny, runs_dir=tmp_path, name="cache")
    capsys.readouterr()
    assert (
        service.main(["--policy", str(run.path / "policy"), "--requests", "150", "--speed", "40"])
        == 0
    )
    heading, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["LRU", "learned"]
    for line in lines:
        *_, surprises = line.split()
        # Redis lets answers go by the clock of this machine, however busy it is
        assert int(surprises) <= 15
