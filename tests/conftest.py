"""What every test starts from: two CPU devices, so that seeds have somewhere to go, and a compile
cache."""

import gc
import os
from pathlib import Path
from typing import Any, NamedTuple

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "xla"
MAPS, MOST_MAPS = Path("/proc/self/maps"), 20_000
# environment: processes that tests start share it
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ["XDG_STATE_HOME"] = str(CACHE.parent / "state")  # runs of tests are signed with its key

import jax  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from tests import slow_cases  # noqa: E402

jax.config.update("jax_num_cpu_devices", 2)  # before the backend starts, which the first array does
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

# The first example compiles, so no deadline; the same examples every time, so that no change fails
# by chance.
settings.register_profile("elsinore", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("elsinore")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """The cases that were measured to be slow have the marker."""
    slow = slow_cases.recorded()
    by_hand = {item.nodeid: slow_cases.is_slow_by_hand(item) for item in items}
    config.stash[slow_cases.BY_HAND] = by_hand
    for item in items:
        if item.nodeid in slow:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def shared_programs():
    """Runs of equal experiments share compiled programs; `afresh` is for tests of compiling."""
    from elsinore.runs.session import run_session
    from elsinore.runs.signals import GRACE
    from tests.programs import SHARED

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_session, "__defaults__", (SHARED, GRACE))
        yield


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """Compiled programs are let go of between files, before they are too many for one process.

    Each takes some nine memory maps; XLA's compiler crashes (a segmentation fault) once Linux
    grants no more, by default at 65,530.
    """
    from tests.programs import SHARED

    yield
    if memory_maps() > MOST_MAPS:
        SHARED.forget()
        jax.clear_caches()
        gc.collect()


def memory_maps() -> int:
    """The number of memory maps of this process, 0 where the system does not say."""
    if not MAPS.exists():
        return 0
    with MAPS.open("rb") as lines:
        return sum(1 for _ in lines)


@pytest.fixture
def afresh():
    """A function with which the next run of each experiment compiles its programs itself."""
    from tests.programs import SHARED

    SHARED.forget()
    return SHARED.forget


class Trainee(NamedTuple):
    """A small algorithm in an env, compiled."""

    env: Any
    env_params: Any
    config: Any
    algo: Any  # its functions as they are
    init: Any  # (key) -> TrainState, jitted, with the default hyper
    update: Any  # jitted


@pytest.fixture(scope="session")
def cartpole():
    """CartPole-v1 and its parameters."""
    from gymnax.environments.classic_control.cartpole import CartPole

    return CartPole(), CartPole().default_params


@pytest.fixture(scope="session")
def cartpole_ppo(cartpole) -> Trainee:
    """PPO on CartPole at its default settings but smaller, compiled once for all tests."""
    from elsinore.algos.ppo import PPOConfig, ppo
    from elsinore.nets.config import NetworkConfig

    env, env_params = cartpole
    config = PPOConfig(rollout_length=32, num_epochs=2, network=NetworkConfig(hidden=(16,)))
    algo = ppo(config, env, env_params, num_updates=100)
    init = jax.jit(lambda key: algo.init(key, env_params, algo.hyper))
    return Trainee(env, env_params, config, algo, init, jax.jit(algo.update))
