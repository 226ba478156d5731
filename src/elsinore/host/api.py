"""What a person calls: train, resume, load."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from elsinore import cpu_cores
from elsinore.config.build import ConfigError
from elsinore.config.experiment import Experiment
from elsinore.config.load import load_experiment
from elsinore.config.plan import Plan, plan_for
from elsinore.host import checkpoints
from elsinore.host.folder import RunFolder
from elsinore.host.result import Run
from elsinore.host.session import Callback, logging_to, run_session
from elsinore.host.sinks.wandb import refuse_if_absent

log = logging.getLogger("elsinore")


def train(
    env: Any = None,
    algo: str | None = None,
    *,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    runs_dir: str | Path = "runs",
    network: Any = None,
    curriculum: Any = None,
    callbacks: Sequence[Callback] = (),
    check: bool = True,
) -> Run:
    """Train, and return the run.

    Args:
        env: a name, a preset's name (`ppo/CartPole-v1`), `"module:Class"`, or a gymnax `Environment` itself.
        algo: a known name or `"module:function"`; `ppo` if nothing says otherwise.
        config: a YAML file.
        overrides: dotted settings and values, the last word: `{"algo.gamma": 0.9}`.
        seeds: how many seeds, side by side; `seed` is the first.
        name: of the run's folder in `runs_dir`; a fresh one is made.
        network: a flax module's factory, called with the number of outputs (see `elsinore.nets.actor_critic`).
        curriculum: an `elsinore.training.curriculum.Curriculum`.
        callbacks: called with each chunk's `ChunkRecord`, in a thread of their own.
        check: hold an environment of your own to the laws of `check_env` first.

    Raises:
        ConfigError: for whatever cannot be run, before anything is compiled or written.
    """
    experiment, env_object = describe(env, algo, config=config, overrides=overrides, seeds=seeds, seed=seed)
    prepare()
    plan = ready_plan(experiment, env_object, network, curriculum, check)
    folder = RunFolder.create(Path(runs_dir), name, experiment)
    with logging_to(folder):
        run_session(folder, plan, None, callbacks)
    return Run(folder, plan, env_object, network)


def resume(
    run: str | Path,
    *,
    runs_dir: str | Path = "runs",
    env: Any = None,
    network: Any = None,
    curriculum: Any = None,
    callbacks: Sequence[Callback] = (),
    fall_back: bool = False,
    accept_versions: bool = False,
) -> Run:
    """Go on with a run exactly where its newest checkpoint left it; a finished one is returned as it is.

    `env`, `network` and `curriculum` are needed again where the run was given objects. `fall_back` goes on from
    the newest checkpoint that is whole if the newest is broken; `accept_versions` with other library versions.

    Raises:
        ConfigError: where there is no such run, another process trains it, its checkpoint is broken, or config
            or versions differ from the checkpoint's.
    """
    folder = RunFolder.open(run, Path(runs_dir))
    if Run(folder).summary.get("stopped_by") not in (None, "interrupted"):
        log.info("%s is finished already", folder.path)
        return Run(folder, env=env, network=network)
    experiment = folder.experiment()
    folder.lock()
    try:
        prepare()
        has_checkpoint = bool(checkpoints.listed(folder.checkpoints))
        checkpoint = checkpoints.newest(folder.checkpoints, fall_back) if has_checkpoint else None
        if checkpoint is not None:
            checkpoints.check_match(checkpoint, experiment, accept_versions)
        plan = ready_plan(experiment, env, network, curriculum, check=False)
    except BaseException:
        folder.unlock()
        raise
    with logging_to(folder):
        run_session(folder, plan, checkpoint, callbacks)
    return Run(folder, plan, env, network)


def load(run: str | Path, *, runs_dir: str | Path = "runs", env: Any = None, network: Any = None) -> Run:
    """A run that is on disk, finished or not.

    Raises:
        ConfigError: where there is none.
    """
    return Run(RunFolder.open(run, Path(runs_dir)), env=env, network=network)


def describe(
    env: Any = None, algo: str | None = None, *, config=None, overrides=None, seeds=None, seed=None
) -> tuple[Experiment, Any]:
    """The experiment of a call's arguments, and the env where it is an object rather than a name."""
    env_object = None if env is None or isinstance(env, str) else env
    overrides = dict(overrides or {})
    if env_object is not None:
        env = f"{type(env).__module__}:{type(env).__qualname__}"
        env = getattr(env_object, "name", env) if env.startswith("gymnax.") else env
        if dataclasses.is_dataclass(env_object):  # so that the config says how to make it again
            overrides.setdefault("env_kwargs", dataclasses.asdict(env_object))
    overrides |= {k: v for k, v in {"seeds": seeds, "seed": seed}.items() if v is not None}
    return load_experiment(env, algo, config, overrides), env_object


def prepare() -> None:
    """Set jax up for training: a compile cache that outlives the process, and a word where cores would be idle."""
    if jax.config.jax_num_cpu_devices == -1 and jax.default_backend() == "cpu" and jax.device_count() < cpu_cores():
        log.warning("jax had started before elsinore was imported, with %d of the CPU's %d cores: the others will be "
                    "idle. Import elsinore before what uses jax (gymnax does when it is imported), or set "
                    "JAX_NUM_CPU_DEVICES=%d", jax.device_count(), cpu_cores(), cpu_cores())  # fmt: skip
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache" / "elsinore" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def ready_plan(experiment: Experiment, env: Any, network: Any, curriculum: Any, check: bool) -> Plan:
    """A plan that is known to fit, of an environment that is known to be sound.

    Raises:
        ConfigError: where it is not.
    """
    refuse_if_absent(experiment)
    plan = plan_for(experiment, env, network, curriculum)
    if check and (env is not None or ":" in experiment.env):
        from elsinore.laws.env import check_env

        broken = [v for v in check_env(plan.env, plan.env_params) if not v.holds and v.level == "error"]
        if broken:
            raise ConfigError(f"env={experiment.env!r} breaks the law {broken[0].law!r}: {broken[0].detail}")
    plan.refuse_what_does_not_fit()
    return plan
