"""Reinforcement learning in which the world, the policy and the learning are one compiled JAX
program.

    import elsinore
    run = elsinore.train("CartPole-v1", algo="ppo", seeds=4)
    run.summary["eval_return"], run.policy(seed=2)(obs)

Names are imported when they are first used: `import elsinore` costs nothing. It asks that jax's CPU
be one device a core, for seeds to go over; `JAX_NUM_CPU_DEVICES`, where it is set, says otherwise.
"""

import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from elsinore.gymnax_import import prepare_gymnax_import

__version__ = "0.1.0"

if sys.platform == "win32":
    raise ImportError(
        "elsinore runs on Linux and macOS. On Windows use it in WSL 2: `wsl --install`, then"
        " install it in its shell as the README says."
    )


def cpu_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ask_for_a_device_a_core() -> None:
    """Now, and not when training begins: by then jax may have started, as it does while gymnax is
    imported."""
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    if "jax" not in sys.modules:
        # jax reads it when it is imported
        os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(cpu_cores()))
        return
    import jax

    if jax.config.jax_num_cpu_devices == -1:  # it is not set
        # jax has started: what it has is what there is, and training says so
        with suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", cpu_cores())


_ask_for_a_device_a_core()
prepare_gymnax_import()

_HOMES = {
    "train": "elsinore.runs.api",
    "resume": "elsinore.runs.api",
    "load": "elsinore.runs.api",
    "compare": "elsinore.analysis.compare.api",
    "demo": "elsinore.view.demo.api",
    "sweep": "elsinore.analysis.sweep.api",
    "doctor": "elsinore.analysis.doctor",
    "list_envs": "elsinore.analysis.environments",
    "play": "elsinore.view.play",
    "query": "elsinore.analysis.query",
    "scene": "elsinore.view.play",
    "gymnasium_env": "elsinore.integrations.gymnasium",
    "parallel_env": "elsinore.integrations.pettingzoo",
    "Action": "elsinore.runs.actions",
    "Agent": "elsinore.integrations.agent",
    "acting": "elsinore.runs.actions",
    "Run": "elsinore.runs.run",
    "Policy": "elsinore.runs.policy",
    "ConfigError": "elsinore.errors",
    "ElsinoreError": "elsinore.errors",
    "RunError": "elsinore.errors",
    "Experiment": "elsinore.config.experiment",
    "PPOConfig": "elsinore.algos.ppo",
    "check_algorithm": "elsinore.checks.algorithm",
    "check_env": "elsinore.checks.env",
    "make": "elsinore.envs",
    "train_compiled": "elsinore.training.replicas",
    "wrap": "elsinore.envs.wrappers",
}
__all__ = [
    "Action",
    "Agent",
    "ConfigError",
    "ElsinoreError",
    "Experiment",
    "PPOConfig",
    "Policy",
    "Run",
    "RunError",
    "acting",
    "check_algorithm",
    "check_env",
    "compare",
    "demo",
    "doctor",
    "gymnasium_env",
    "list_envs",
    "load",
    "make",
    "parallel_env",
    "play",
    "query",
    "resume",
    "scene",
    "sweep",
    "train",
    "train_compiled",
    "wrap",
]

if TYPE_CHECKING:
    from elsinore.algos.ppo import PPOConfig
    from elsinore.analysis.compare.api import compare
    from elsinore.analysis.doctor import doctor
    from elsinore.analysis.environments import list_envs
    from elsinore.analysis.query import query
    from elsinore.analysis.sweep.api import sweep
    from elsinore.checks.algorithm import check_algorithm
    from elsinore.checks.env import check_env
    from elsinore.config.experiment import Experiment
    from elsinore.envs import make
    from elsinore.envs.wrappers import wrap
    from elsinore.errors import ConfigError, ElsinoreError, RunError
    from elsinore.integrations.agent import Agent
    from elsinore.integrations.gymnasium import gymnasium_env
    from elsinore.integrations.pettingzoo import parallel_env
    from elsinore.runs.actions import Action, acting
    from elsinore.runs.api import load, resume, train
    from elsinore.runs.policy import Policy
    from elsinore.runs.run import Run
    from elsinore.training.replicas import train_compiled
    from elsinore.view.demo.api import demo
    from elsinore.view.play import play, scene


# modules that docs and messages name, such as `elsinore.toolkit.Wrapper`
_MODULES = ("errors", "toolkit", "types")


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"elsinore.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'elsinore' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "toolkit", *(name for name in globals() if name.startswith("__"))})
