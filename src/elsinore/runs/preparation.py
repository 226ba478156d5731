"""The state that a run needs before it is compiled: jax set up for training, and a plan that passed
the checks."""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

import jax

from elsinore import cpu_cores
from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.envs import suites
from elsinore.envs.wrapped import modules_in
from elsinore.errors import ConfigError
from elsinore.experience.multi_agent import num_agents_in, params_of_one
from elsinore.jaxtools.platform import (
    UNFIT_FOR_TRAINING,
    platform_refusal,
    refuse_default_device,
    refuse_jax_settings,
)
from elsinore.runs.metrics import refuse_unknown_metric
from elsinore.runs.remote import file_system
from elsinore.runs.sinks.wandb import refuse_if_absent

log = logging.getLogger("elsinore")
SHORTEST_CACHED = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
CACHED_FROM_SECONDS = 0.1  # from 1.0 on, a small run would keep its chunk alone


def prepare(distributed: bool = False) -> None:
    """Set up jax for training: a compile cache on disk, and a warning about idle cores.

    Raises:
        ConfigError: if jax cannot start on the platform that JAX_PLATFORMS names.
    """
    if refusal := platform_refusal(distributed):
        raise ConfigError(refusal)
    if (
        jax.config.jax_num_cpu_devices == -1
        and jax.default_backend() == "cpu"
        and jax.device_count() < cpu_cores()
    ):
        log.warning(
            "jax had started before elsinore was imported, with %d of the CPU's %d cores: the"
            " others will be idle. Import elsinore before modules that use jax when they are"
            " imported (such as gymnax), or set JAX_NUM_CPU_DEVICES=%d",
            jax.device_count(),
            cpu_cores(),
            cpu_cores(),
        )
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update(
            "jax_compilation_cache_dir", str(Path.home() / ".cache" / "elsinore" / "xla")
        )
    by_default = jax.config.jax_persistent_cache_min_compile_time_secs == 1.0  # jax's own
    if by_default and SHORTEST_CACHED not in os.environ:
        jax.config.update(SHORTEST_CACHED.lower(), CACHED_FROM_SECONDS)


def checked_plan(
    experiment: Experiment, env: Any, network: Any, curriculum: Any, check: bool
) -> Plan:
    """The plan of an experiment, after the checks of its environment and of its memory.

    Raises:
        ConfigError: if a check fails.
    """
    refuse_jax_settings(UNFIT_FOR_TRAINING)
    refuse_default_device()
    refuse_if_absent(experiment)
    if (url := experiment.sinks.remote.url) is not None:
        file_system(url)
    plan = plan_for(experiment, env, network, curriculum)
    custom = env is not None or list(modules_in([experiment.env, experiment.wrappers]))
    if check and custom and not suites.is_stock(plan.env):
        from elsinore.checks.env import check_env
        from elsinore.checks.host_env import check_first_steps

        agents = num_agents_in(plan.env)
        run_checks = partial(check_env, agents=agents)
        if suites.is_on_host(plan.env):
            run_checks = check_first_steps
        alone = " It is checked with one agent, whose gather_agents gives arrays of length 1."
        for result in run_checks(plan.env, params_of_one(plan.env, plan.env_params)):
            if not result.passed and result.level == "error":
                failed = f"env={experiment.env!r} fails the check {result.check!r}"
                hint = alone if agents > 1 and "shape" in result.detail else ""
                if result.check == "agents":
                    failed, hint = f"env={experiment.env!r} with agents.number={agents}", ""
                raise ConfigError(f"{failed}: {result.detail}{hint}")
    plan.memory.refuse_what_does_not_fit()
    refuse_unknown_metric(plan)
    if check and plan.custom_code:
        plan.trace()
    return plan
