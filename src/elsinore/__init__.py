"""Reinforcement learning in which the world, the policy and the learning are one compiled JAX program.

    import elsinore
    run = elsinore.train("CartPole-v1", algo="ppo", seeds=4)
    run.summary["eval_return"], run.policy(seed=2)(obs)

Names are imported when they are first used: `import elsinore` costs nothing. It asks that jax's CPU be one device a
core, for seeds to go over; `JAX_NUM_CPU_DEVICES`, where it is set, says otherwise.
"""

import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

__version__ = "0.1.0"


def cpu_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask_for_a_device_a_core() -> None:
    """Now, and not when training begins: by then jax may have started, as it does while gymnax is imported."""
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if "jax" not in sys.modules:
        os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(cpu_cores()))  # jax reads it when it is imported
        return
    import jax

    if jax.config.jax_num_cpu_devices == -1:  # nobody has said
        with suppress(RuntimeError):  # jax has started: what it has is what there is, and training says so
            jax.config.update("jax_num_cpu_devices", cpu_cores())


_ask_for_a_device_a_core()

_HOMES = {
    "train": "elsinore.host.api",
    "resume": "elsinore.host.api",
    "load": "elsinore.host.api",
    "compare": "elsinore.host.comparison.api",
    "sweep": "elsinore.host.sweep.api",
    "query": "elsinore.host.query",
    "gymnasium_env": "elsinore.host.adapters.gymnasium",
    "parallel_env": "elsinore.host.adapters.pettingzoo",
    "Run": "elsinore.host.result",
    "Policy": "elsinore.host.policy",
    "ConfigError": "elsinore.config.build",
    "Experiment": "elsinore.config.experiment",
    "PPOConfig": "elsinore.algos.ppo",
    "check_algorithm": "elsinore.laws.algorithm",
    "check_env": "elsinore.laws.env",
    "make": "elsinore.envs",
    "train_compiled": "elsinore.training.seeds",
}
__all__ = ["ConfigError", "Experiment", "PPOConfig", "Policy", "Run", "check_algorithm", "check_env", "compare",
           "gymnasium_env", "load", "make", "parallel_env", "query", "resume", "sweep", "train",
           "train_compiled"]  # fmt: skip

if TYPE_CHECKING:
    from elsinore.algos.ppo import PPOConfig
    from elsinore.config.build import ConfigError
    from elsinore.config.experiment import Experiment
    from elsinore.envs import make
    from elsinore.host.adapters.gymnasium import gymnasium_env
    from elsinore.host.adapters.pettingzoo import parallel_env
    from elsinore.host.api import load, resume, train
    from elsinore.host.comparison.api import compare
    from elsinore.host.policy import Policy
    from elsinore.host.query import query
    from elsinore.host.result import Run
    from elsinore.host.sweep.api import sweep
    from elsinore.laws.algorithm import check_algorithm
    from elsinore.laws.env import check_env
    from elsinore.training.seeds import train_compiled


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'elsinore' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
