"""What `elsinore play` plays: a replay, or fresh episodes of a run's policy or of nobody's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.config.build import ConfigError
from elsinore.config.load import set_dotted
from elsinore.config.plan import max_steps_of
from elsinore.envs import make, names
from elsinore.experience.bodies import Together, params_of_one
from elsinore.host import api, replays
from elsinore.host.drawing.company import Company, episode_of
from elsinore.host.drawing.episode import Episode
from elsinore.host.folder import RunFolder
from elsinore.host.recorder import Recorder, episode_key, params_of_each, recorder_for
from elsinore.host.result import Run
from elsinore.training.untrained import NOBODY, by_chance
from elsinore.types import Acting

POLICIES = ("latest", "best", "untrained")
LONGEST = 5_000  # steps of an episode that are kept: its film has them all at once


def episodes_of(
    target: str, *, policy: str | None = None, seed_index: int | None = None, episodes: int = 1, sample: bool = False,
    first: int = 0, agent: int | None = None, settings: dict[str, Any] | None = None, runs_dir: str | Path = "runs",
) -> Iterator[Episode | Company]:  # fmt: skip
    """Episodes to look at, each made when it is asked for.

    Args:
        target: a replay's file, a run (by folder or name), or an environment's name, in which chance plays.
        policy: of a run: `latest` (default), `best`, `untrained`, or a checkpoint's name.
        seed_index: which of a run's seeds, from 0; by default the best by the final evaluation.
        episodes: how many, of a run or an environment.
        sample: draw a run's actions as in training instead of taking the likeliest.
        first: the number of the first episode; each number is an episode that is always the same.
        agent: of several in one world, the one to look at; by default the first.
        settings: of an environment, dotted: `{"env_params.max_ante": 1}`.

    Raises:
        ConfigError: for a target that is nothing of these, or an option that it has no use for.
    """
    if episodes < 1:
        raise ConfigError(f"--episodes {episodes} must be at least 1.")
    if Path(target).is_file() or target.endswith(".npz"):
        if policy is not None or seed_index is not None:
            raise ConfigError(f"{target} is a replay, in which everything has happened; leave out --policy and "
                              "--seed-index.")  # fmt: skip
        _refuse_settings(target, settings)
        return iter([episode_of(replays.read(Path(target)), agent=agent)])
    if _is_run(target, Path(runs_dir)):
        _refuse_settings(target, settings)
        run = api.load(target, runs_dir=runs_dir)
        return _of_run(run, policy or "latest", seed_index, range(first, first + episodes), sample, agent)
    if agent is not None:
        raise ConfigError(f"--agent is for worlds of several, and in {target} chance plays alone.")
    if policy not in (None, "untrained") or seed_index is not None:
        raise ConfigError(f"{target} is no run in {runs_dir}, and only a run has policies and seeds to choose from.")
    return _of_chance(target, settings or {}, range(first, first + episodes), runs_dir)


def _refuse_settings(target: str, settings: dict[str, Any] | None) -> None:
    if settings:
        raise ConfigError(f"--set: the world of {target} is as it was; settings are for an environment by its name.")


def _is_run(target: str, runs_dir: Path) -> bool:
    try:
        RunFolder.open(target, runs_dir)
    except ConfigError:
        if Path(target).is_dir() or (runs_dir / target).is_dir():
            raise  # a folder, and the error says of what
        return False
    return True


def _of_run(
    run: Run, policy: str, seed_index: int | None, numbers: range, sample: bool, agent: int | None
) -> Iterator[Episode | Company]:
    api.prepare()
    experiment, plan = run.experiment, run.plan
    if agent is not None and agent >= experiment.agents.number:
        raise ConfigError(f"--agent agent_{agent} is not of this run; its worlds have {experiment.agents.number} each.")
    i = _replica(run, seed_index)
    acting, params, update = _policy(run, policy, i)
    greedy = experiment.evaluation.greedy and not sample
    recorder = recorder_for(plan, min(max_steps_of(experiment, plan.env_params), LONGEST), greedy)
    env = plan.env.env if isinstance(plan.env, Together) else plan.env
    seed = experiment.seed + i
    about = replays.provenance(experiment, run.name, seed, update, plan.steps_per_update, greedy)
    for number in numbers:
        film = recorder(acting, params, episode_key(seed, update, number))
        yield episode_of(replays.replay_of(film, params_of_each(plan.env, params), about), env, agent)


def _replica(run: Run, seed_index: int | None) -> int:
    """Which of a run's seeds plays."""
    replicas = run.experiment.replicas
    if seed_index is None:
        returns = run.summary.get("eval_return", {}).get("per_seed") or [0.0]
        return int(np.argmax([-np.inf if r is None else r for r in returns]))
    if not 0 <= seed_index < replicas:
        raise ConfigError(f"--seed-index {seed_index} is not of this run; it has 0 to {replicas - 1}.")
    return seed_index


def _policy(run: Run, policy: str, i: int) -> tuple[Acting, PyTree, int]:
    """A replica's policy, the parameters of the world to show it in, and the updates it had learnt for."""
    if policy == "untrained":
        state = jax.jit(run.plan.program.init)(jax.random.key(run.experiment.seed + i % run.experiment.seeds)).train
        return state.acting, run.plan.shown_in(state.env_params), 0
    train = jax.tree.map(lambda x: x[i], run.state(policy).train)
    return train.acting, run.plan.shown_in(train.env_params), int(train.update)


def _of_chance(target: str, settings: dict[str, Any], numbers: range, runs_dir: Any) -> Iterator[Episode]:
    env, params = _made(target, settings, runs_dir)
    try:
        algo = by_chance(env, params)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    api.prepare()
    limit = int(getattr(params, "max_steps_in_episode", LONGEST))
    recorder = Recorder(algo, env, min(limit if limit > 0 else LONGEST, LONGEST), greedy=False)
    about = {"env": target, "env_kwargs": _of_world(settings)["env_kwargs"], "algo": "chance"}
    for number in numbers:
        film = recorder(NOBODY, params, episode_key(0, 0, number))
        yield Episode(replays.replay_of(film, params, about | {"seed": number}), env)


def _of_world(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A world's settings, told with dots, as the two mappings that `make` takes."""
    data: dict[str, Any] = {}
    for name, value in settings.items():
        set_dotted(data, name, value)
    of_no_world = set(data) - {"env_kwargs", "env_params"}
    if of_no_world:
        raise ConfigError(
            f"--set {of_no_world.pop()} is no setting of a world; env_kwargs.NAME and env_params.NAME are."
        )
    return {"env_kwargs": {}, "env_params": {}} | data


def _made(target: str, settings: dict[str, Any], runs_dir: Any) -> tuple[Any, PyTree]:
    """A world by its name, with settings of its own."""
    given = _of_world(settings)
    try:
        return make(target, given["env_kwargs"], given["env_params"])
    except ValueError as error:
        if target in names() or ":" in target:
            raise ConfigError(str(error)) from error
        raise ConfigError(
            f"{target} is no replay, no run in {runs_dir} and no environment known by name; `elsinore runs` and "
            "`elsinore envs` list what there is."
        ) from error


def world_to_play(target: str, settings: dict[str, Any], runs_dir: str | Path = "runs") -> tuple[Any, PyTree]:
    """The world that a person plays in, and its parameters: one by its name, or that of a run.

    `settings` are dotted, of a world by its name: `env_params.max_ante`, `env_kwargs.stage`.

    Raises:
        ConfigError: for a target that has none, or a setting that is not the world's.
    """
    if _is_run(target, Path(runs_dir)):
        _refuse_settings(target, settings)
        plan = api.load(target, runs_dir=runs_dir).plan
        return plan.env.env if isinstance(plan.env, Together) else plan.env, params_of_one(plan.env, plan.env_params)
    return _made(target, settings, runs_dir)
