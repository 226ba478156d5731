"""What is learnt of caching is worth more than what is usually run, on requests that training never
saw."""

import jax
import numpy as np
import pytest

from benchmarks import cache_trace_learning as traces
from benchmarks.cache_api_learning import COMPARED, HELD_OUT, learnt, played
from elsinore.envs import make
from elsinore.worlds.cache.api.heuristics import HEURISTICS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_the_preset_earns_more_than_any_written_rule():
    streams = jax.random.split(jax.random.key(HELD_OUT), 128)
    rules = {name: played(*make("Cache-api"), HEURISTICS[name], streams) for name in COMPARED}
    found = learnt("PPO", 2, {}, streams, rules)
    for rule in COMPARED:
        gain = found["over"][rule]
        assert gain["mean"] > max(40.0, 2 * gain["standard_error"])
    assert max(found["cascades"]) <= 0.3


@pytest.fixture(scope="module")
def taught():
    """A quarter of the benchmark's lessons, for two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            traces.SETTINGS, "imitation", traces.SETTINGS["imitation"] | {"env_steps": 100_000}
        )
        traces.learnt.cache_clear()
        yield lambda test: traces.hits(2, test, fallback=True)["hit_ratios"]
    traces.learnt.cache_clear()


@pytest.mark.parametrize("name", ["nasa_jul01_10k", "api_sessions_seed21"])
def test_one_policy_serves_traces_of_unlike_habits(name, taught):
    """Frequency is what counts in one, recency in the other; it has seen earlier requests of
    both."""
    test = next(
        test for test in traces.tests("objects", None) if (test.name, test.capacity) == (name, 64)
    )
    ratios = traces.classic(test)
    assert np.mean(taught(test)) > max(ratios["lru"], ratios["lfu"]) - 0.005
