"""The Python interface of runs: train, resume, load."""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from elsinore import cpu_cores
from elsinore.algos.common import LearningConfig
from elsinore.arguments import checked
from elsinore.config.experiment import Experiment
from elsinore.config.load import load_experiment
from elsinore.config.parse import ConfigError
from elsinore.config.plan import Plan, plan_for
from elsinore.envs import refuse_no_env
from elsinore.errors import user_code
from elsinore.jaxtools.platform import platform_refusal
from elsinore.runs import checkpoints
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.session import Callback, logging_to, run_session
from elsinore.runs.signals import GRACE
from elsinore.runs.sinks.wandb import refuse_if_absent
from elsinore.runs.store import Store
from elsinore.runs.summary import is_finished
from elsinore.runs.sync import finish_sinks
from elsinore.runs.trust import Trust, sign
from elsinore.training.curriculum.stages import Curriculum

log = logging.getLogger("elsinore")


@checked
def train(
    env: Any = None,
    algo: str | Mapping[str, Any] | LearningConfig | None = None,
    *,
    config: str | Path | Mapping[str, Any] | Experiment | None = None,
    overrides: Mapping[str, Any] | None = None,
    env_steps: int | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    network: Callable[..., Any] | None = None,
    curriculum: Curriculum | None = None,
    callbacks: Sequence[Callback] = (),
    check: bool = True,
    grace: float = GRACE,
) -> Run:
    """Train, and return the run.

    Args:
        env: a name, a preset (`ppo/CartPole-v1`), `"module:Class"`, or a gymnax `Environment`.
        algo: a name or `"module:function"`, or its config (`PPOConfig(gamma=0.9)`, or a mapping
            with a `name`); by default `ppo`. A mapping leaves what it does not name to the preset,
            a `PPOConfig` nothing.
        config: a YAML file, a mapping as in one, or an `Experiment`.
        overrides: values by dotted name, which win over all others: `{"algo.gamma": 0.9}`.
        env_steps: the environment steps of each seed.
        seeds: the number of seeds trained in parallel; `seed` is the first.
        name: of the run's directory in `runs_dir`; by default a new one.
        network: a factory of a flax module, called with the number of outputs (see
            `elsinore.nets.actor_critic`).
        curriculum: an `elsinore.training.curriculum.Curriculum`.
        callbacks: called with each chunk's `ChunkRecord`, in a thread of their own.
        check: run `check_env` on a custom environment first.
        grace: seconds from SIGTERM or SIGHUP to the end of the call.

    Raises:
        ConfigError: for settings that cannot be run, before anything is compiled or written.
        StoreBehind: if metrics.sqlite could not be written; the run can be resumed.
        OutOfTime: a KeyboardInterrupt, if the grace is too short for the final evaluation.
    """
    experiment, env_object = resolve_experiment(
        env,
        algo,
        config=config,
        overrides={**(overrides or {}), **({} if env_steps is None else {"env_steps": env_steps})},
        seeds=seeds,
        seed=seed,
    )
    prepare()
    plan = checked_plan(experiment, env_object, network, curriculum, check)
    folder = RunDir.create(Path(runs_dir), name, experiment)
    with logging_to(folder):
        run_session(folder, plan, None, callbacks, grace=grace)
    return Run(folder, plan, env_object, network, trust=True)


@checked
def resume(
    run: str | Path,
    *,
    runs_dir: str | Path = "runs",
    env: Any = None,
    network: Callable[..., Any] | None = None,
    curriculum: Curriculum | None = None,
    callbacks: Sequence[Callback] = (),
    fall_back: bool = False,
    accept_versions: bool = False,
    trust: Trust = False,
    accept_layout: bool = False,
    grace: float = GRACE,
) -> Run:
    """Resume a run from the newest checkpoint that its store covers. A finished run is returned
    unchanged, after sinks that a kill left incomplete have been completed.

    Args:
        env, network, curriculum: needed again if the run was given objects.
        fall_back: if the newest checkpoint is broken, resume from the newest that is not.
        accept_versions: resume a checkpoint of other library versions.
        trust: import code that the run names, though this user did not make it; a run that is
            continued so is signed as this user's.
        accept_layout: resume a checkpoint of another layout of seeds on devices, from which the
            results differ by rounding; an event of the run says so.
        grace: seconds from SIGTERM or SIGHUP to the end of the call.

    Raises:
        ConfigError: if there is no such run, another process trains it, its checkpoint is broken,
            its config or library versions differ from the checkpoint's, or it names code that is
            neither this user's nor trusted.
        BrokenStore: a ConfigError, if metrics.sqlite cannot be used.
        StoreBehind, OutOfTime: as in `train`.
    """
    folder = RunDir.open(run, Path(runs_dir))
    if is_finished(folder):
        log.info("%s is finished already", folder.path)
        finish_sinks(folder, only_recorded=True)
        return Run(folder, env=env, network=network, trust=trust)
    given = [name for name, x in (("env", env), ("algo.network.custom", network)) if x is not None]
    experiment = folder.experiment(trust, given)
    folder.lock()
    try:
        prepare()
        checkpoint = None
        if checkpoints.list_checkpoints(folder.checkpoints):
            checkpoint = checkpoints.newest(folder.checkpoints, fall_back)
            checkpoints.check_match(checkpoint, experiment, accept_versions)
            _agree_on_layout(folder, checkpoint, experiment, accept_layout)
        plan = checked_plan(experiment, env, network, curriculum, check=False)
    except BaseException:
        folder.unlock()
        raise
    if not given:
        sign(folder.config)
    with logging_to(folder):
        run_session(folder, plan, checkpoint, callbacks, grace=grace)
    return Run(folder, plan, env, network, trust=True)


def _agree_on_layout(
    folder: RunDir, checkpoint: checkpoints.Checkpoint, experiment: Experiment, accept: bool
) -> None:
    """Refuse another layout of seeds on devices, or note that it was accepted."""
    if not accept:
        checkpoints.check_layout(checkpoint, experiment)
    elif differs := checkpoints.other_layout(checkpoint, experiment):
        store = Store(folder.database)
        store.add_event(checkpoint.update, "layout", f"another layout is accepted: {differs}")
        store.close()


@checked
def load(
    run: str | Path,
    *,
    runs_dir: str | Path = "runs",
    env: Any = None,
    network: Callable[..., Any] | None = None,
    trust: Trust = False,
) -> Run:
    """Open a run on disk, finished or not. Nothing that its files name is imported yet.

    Args:
        env, network: needed if the run was given objects.
        trust: allow `policy`, `evaluate`, `state` and `plan` to import code that the run names,
            though this user did not make it.

    Raises:
        ConfigError: if there is no such run.
    """
    return Run(RunDir.open(run, Path(runs_dir)), env=env, network=network, trust=trust)


def resolve_experiment(
    env: Any = None, algo: Any = None, *, config=None, overrides=None, seeds=None, seed=None
) -> tuple[Experiment, Any]:
    """The experiment of a call's arguments, and the environment if it is an object."""
    env_object = None if env is None or isinstance(env, str) else env
    if env_object is not None:
        with user_code(env=env_object):
            refuse_no_env(env_object)
    overrides = dict(overrides or {})
    if env_object is not None:
        env = f"{type(env).__module__}:{type(env).__qualname__}"
        env = getattr(env_object, "name", env) if env.startswith("gymnax.") else env
        if dataclasses.is_dataclass(env_object):  # the config records how to make it again
            overrides.setdefault("env_kwargs", dataclasses.asdict(env_object))
    overrides |= {k: v for k, v in {"seeds": seeds, "seed": seed}.items() if v is not None}
    return load_experiment(env, algo, config, overrides), env_object


def prepare() -> None:
    """Set up jax for training: a compile cache on disk, and a warning about idle cores.

    Raises:
        ConfigError: if jax cannot start on the platform that JAX_PLATFORMS names.
    """
    if refusal := platform_refusal():
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
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def checked_plan(
    experiment: Experiment, env: Any, network: Any, curriculum: Any, check: bool
) -> Plan:
    """The plan of an experiment, after the checks of its environment and of its memory.

    Raises:
        ConfigError: if a check fails.
    """
    refuse_if_absent(experiment)
    plan = plan_for(experiment, env, network, curriculum)
    if check and (env is not None or ":" in experiment.env):
        from elsinore.checks.env import check_env

        for result in check_env(plan.env, plan.env_params):
            if not result.passed and result.level == "error":
                raise ConfigError(
                    f"env={experiment.env!r} fails the check {result.check!r}: {result.detail}"
                )
    plan.refuse_what_does_not_fit()
    if check and plan.custom_code:
        plan.trace()
    return plan
