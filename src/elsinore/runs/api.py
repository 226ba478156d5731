"""The Python interface of runs: train, resume, load."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from elsinore.algos.common import LearningConfig
from elsinore.arguments import checked
from elsinore.config.experiment import Experiment
from elsinore.errors import on_error, shown
from elsinore.jaxtools import processes
from elsinore.runs.actions import check_callbacks
from elsinore.runs.call import as_override, resolve_experiment
from elsinore.runs.checkpoints.choice import matching
from elsinore.runs.checkpoints.match import agree_on_layout
from elsinore.runs.checkpoints.restored import check_state
from elsinore.runs.distributed import check_processes_agree, fail_everywhere, join
from elsinore.runs.follower import ENDED, follow
from elsinore.runs.lineage.go_on import begun_run, new_run, refuse_without_name
from elsinore.runs.lineage.lengthen import (
    budgets_in,
    lengthened,
    record_lengthening,
    with_budget,
)
from elsinore.runs.lineage.source import start_settings
from elsinore.runs.lineage.start import check_start, check_start_again
from elsinore.runs.preparation import checked_plan, prepare
from elsinore.runs.run import Run, folder_of
from elsinore.runs.run_dir import RunDir
from elsinore.runs.run_log import logging_to
from elsinore.runs.run_workers import Callback
from elsinore.runs.session import run_session
from elsinore.runs.signals import GRACE
from elsinore.runs.sinks.sync import finish_sinks
from elsinore.runs.summary import is_finished
from elsinore.runs.trust.signature import sign
from elsinore.runs.trust.trust import Trust
from elsinore.training.curriculum.stages import Curriculum

log = logging.getLogger("elsinore")


@partial(checked, advice=as_override)
def train(
    env: Any = None,
    algo: str | Mapping[str, Any] | LearningConfig | None = None,
    *,
    config: str | Path | Mapping[str, Any] | Experiment | None = None,
    overrides: Mapping[str, Any] | None = None,
    env_steps: float | None = None,
    seeds: int | None = None,
    seed: int | None = None,
    from_run: str | Path | Run | None = None,
    from_parts: str = "policy",
    from_leave: Sequence[str] = (),
    from_seed: int | None = None,
    name: str | None = None,
    go_on: bool = False,
    runs_dir: str | Path = "runs",
    network: Callable[..., Any] | None = None,
    curriculum: Curriculum | None = None,
    callbacks: Sequence[Callback] = (),
    check: bool = True,
    trust: Trust = False,
    fall_back: bool = False,
    accept_versions: bool = False,
    accept_layout: bool = False,
    grace: float = GRACE,
    distributed: bool | str = False,
) -> Run:
    """Train, and return the run.

    Args:
        env: a name, a preset (`ppo/CartPole-v1`), `"module:Class"`, a gymnax `Environment`, or an
            environment object of a library that `elsinore envs` lists.
        algo: a name or `"module:function"`, or its config (`PPOConfig(gamma=0.9)`, or a mapping
            with a `name`); by default `ppo`. A mapping leaves what it does not name to the preset,
            a `PPOConfig` nothing.
        config: a YAML file, a mapping as in one, or an `Experiment`.
        overrides: values by dotted name, which win over all others: `{"algo.gamma": 0.9}`.
        env_steps: the environment steps of each seed.
        seeds: the number of seeds trained in parallel; `seed` is the first.
        from_run: another run to begin from, or one of its checkpoints (`"NAME@best"`,
            `"NAME@periodic/0000000160"`); without `env`, `algo` and `config` also its settings.
        from_parts: `policy` takes parameters and normalisers; `learner` also the optimiser, target
            networks and the exploration bonus; `all` also the replay buffer and, where all settings
            but the budget are the other run's, everything: this run then continues that one.
        from_leave: parts that begin anew, such as `network.head`, `value` or `stats.obs`.
        from_seed: the seed that all seeds begin from; by default each its own where both runs have
            as many, or else the best.
        name: of the run's directory in `runs_dir`; by default a new one.
        go_on: resume the run of that name if it has begun, with the same settings; begin it
            otherwise. A finished run is returned.
        network: a factory of a flax module, called with the number of outputs (see
            `elsinore.nets.actor_critic`).
        curriculum: an `elsinore.training.curriculum.Curriculum`.
        callbacks: called with each chunk's `ChunkRecord`, in a thread of their own; those made by
            `elsinore.acting` between two chunks, and what they return is done.
        check: run `check_env` on a custom environment first.
        trust: import code that `from_run` names in its settings, and send data where they say,
            though this user did not make it.
        fall_back, accept_versions, accept_layout: as in `resume`, with `go_on`.
        grace: seconds from SIGTERM or SIGHUP to the end of the call.
        distributed: train with several processes, each of which makes this call: True where they
            have joined by `jax.distributed.initialize`, or can by SLURM, Open MPI or Kubernetes;
            `"HOST:PORT,N,I"` by hand. The first one owns the run's folder, which all must see.

    Raises:
        ConfigError: for settings that cannot be run, before anything is compiled or written.
        StoreBehind: if metrics.sqlite could not be written; the run can be resumed.
        NotBegun: a KeyboardInterrupt, if a signal comes before the first chunk is trained.
        OutOfTime: a KeyboardInterrupt, if the grace is too short for the final evaluation.
    """
    with fail_everywhere():
        check_callbacks(callbacks)
        join(distributed)
        if go_on:
            refuse_without_name(name)
        start = start_settings(from_run, from_parts, from_leave, from_seed)
        experiment, env_object = resolve_experiment(
            env,
            algo,
            config=config,
            overrides=start | dict(overrides or {}),
            runs_dir=runs_dir,
            goes_on=name if go_on else None,
            brings=True,
            trust=trust,
            env_steps=env_steps,
            seeds=seeds,
            seed=seed,
        )
        objects = {"env": env_object, "network": network, "curriculum": curriculum}
        begun = (
            begun_run(Path(runs_dir), str(name), experiment)
            if go_on and processes.is_first()
            else None
        )
        goes_on = processes.agreed(str(begun.path) if begun else None, "the run to continue")
        if not goes_on:
            prepare(bool(distributed))
            plan = checked_plan(experiment, **objects, check=check)
            check_start(plan)
            if processes.joined():
                check_processes_agree(plan)
            if not processes.is_first():
                return Run(RunDir(follow(plan, grace)), plan, **objects, trust=True)
            folder = new_run(Path(runs_dir), name, experiment, go_on)
            with on_error(folder.unlock), logging_to(folder.log):
                run_session(folder, plan, None, callbacks, grace=grace)
            processes.agreed(None, ENDED, processes.COMPILING)
            return Run(folder, plan, **objects, trust=True)
    return resume(  # which announces its own failure
        goes_on,
        **objects,
        callbacks=callbacks,
        fall_back=fall_back,
        accept_versions=accept_versions,
        trust=trust,
        accept_layout=accept_layout,
        grace=grace,
        distributed=distributed,
    )


@checked
@fail_everywhere()
def resume(
    run: str | Path | Run,
    *,
    env_steps: float | None = None,
    stop: Mapping[str, Any] | None = None,
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
    distributed: bool | str = False,
) -> Run:
    """Resume a run from the newest checkpoint that its store covers. A finished run is returned
    unchanged, after sinks that a kill left incomplete have been completed.

    Args:
        run: a `Run`, its folder or its name in `runs_dir`.
        env_steps: another budget for each seed, by which a run continues, finished or not. It is
            written into the run's config, and an event of its store.
        stop: the same in another unit: `{"episodes": 2000}` or `{"seconds": 600}` for a run that
            ends by `stop.episodes` or `stop.seconds`, `{"updates": 800}` for others.
        env, network, curriculum: needed again if the run was given objects.
        fall_back: if the newest checkpoint is broken, resume from the newest that is not.
        accept_versions: resume a checkpoint of other versions of libraries or of your code.
        trust: import code that the run names, and send its data where it says, though this user did
            not make it; a run that is continued so is signed as this user's.
        accept_layout: resume a checkpoint of another layout of seeds on devices, from which the
            results differ by rounding; an event of the run says so.
        grace: seconds from SIGTERM or SIGHUP to the end of the call.
        distributed: resume with several processes, as in `train`; of any number.

    Raises:
        ConfigError: if there is no such run, another process trains it, its checkpoint is broken,
            its config or library versions differ from the checkpoint's, or it names code, or a
            place to send data to, that is neither this user's nor trusted; or for a budget below
            what is done, and where nothing is left to train.
        BrokenStore: a ConfigError, if metrics.sqlite cannot be used.
        StoreBehind, NotBegun, OutOfTime: as in `train`.
    """
    check_callbacks(callbacks)
    join(distributed)
    folder = folder_of(run, runs_dir)
    budget = budgets_in({"env_steps": env_steps, "stop": stop or {}})
    budget = {name: value for name, value in budget.items() if value is not None}
    known = folder.recorded()
    over = (not budget or with_budget(known, budget) == known) and is_finished(folder)
    if over and not processes.is_first():
        return Run(folder, None, env, network, curriculum, trust)
    if over:
        log.info("%s is finished already", shown(folder.path))
        finish_sinks(folder, only_recorded=True, trust=trust)
        return Run(folder, None, env, network, curriculum, trust)
    given = [name for name, x in (("env", env), ("algo.network.custom", network)) if x is not None]
    recorded = folder.experiment(trust, given, sends=True)
    if not processes.is_first():
        prepare(True)
        experiment = lengthened(folder, recorded, budget, env) if budget else recorded
        plan = checked_plan(experiment, env, network, curriculum, check=False)
        check_processes_agree(plan)
        follow(plan, grace)
        return Run(folder, plan, env, network, curriculum, trust=True)
    folder.lock()
    with on_error(folder.unlock):
        prepare(bool(distributed))
        experiment = lengthened(folder, recorded, budget, env) if budget else recorded
        checkpoint = matching(folder, experiment, fall_back, accept_versions)
        plan = checked_plan(experiment, env, network, curriculum, check=False)
        if processes.joined():
            check_processes_agree(plan)
        if checkpoint is None:
            check_start_again(plan, folder)
        else:  # a run that is lengthened loses its summary
            agree_on_layout(folder, checkpoint, plan, accept_layout)
            check_state(checkpoint, plan)
        if not given:
            sign(folder.config)
        changes = record_lengthening(folder, recorded, experiment, checkpoint, env)
    with on_error(folder.unlock), logging_to(folder.log):
        for line in changes:
            log.info(line)
        run_session(folder, plan, checkpoint, callbacks, grace=grace)
    processes.agreed(None, ENDED, processes.COMPILING)
    return Run(folder, plan, env, network, curriculum, trust=True)


@checked
def load(
    run: str | Path,
    *,
    runs_dir: str | Path = "runs",
    env: Any = None,
    network: Callable[..., Any] | None = None,
    curriculum: Curriculum | None = None,
    trust: Trust = False,
) -> Run:
    """Open a run on disk, finished or not. Nothing that its files name is imported yet.

    Args:
        env, network, curriculum: needed if the run was given objects.
        trust: allow `policy`, `evaluate`, `state` and `plan` to import code that the run names,
            though this user did not make it.

    Raises:
        ConfigError: if there is no such run.
    """
    return Run(RunDir.open(run, Path(runs_dir)), None, env, network, curriculum, trust)
