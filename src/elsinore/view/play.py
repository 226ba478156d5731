"""Episodes for `elsinore play`: a replay, or new ones of a run's policy or of random actions."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from elsinore.arguments import checked
from elsinore.config.mappings import set_dotted
from elsinore.config.schedule import max_steps_of
from elsinore.envs import is_known, make, names
from elsinore.envs.elsewhere import env_hint
from elsinore.envs.scene import Scene
from elsinore.envs.time_limit import time_limits
from elsinore.errors import ConfigError, span
from elsinore.experience.multi_agent import MultiAgentEnv, params_of_one
from elsinore.runs import api, preparation
from elsinore.runs.plain_console import PlainConsole
from elsinore.runs.remote import is_remote
from elsinore.runs.replays import files as replays
from elsinore.runs.replays import recording as episode_recording
from elsinore.runs.replays.player import (
    EpisodePlayer,
    episode_key,
    episode_player_for,
    params_of_each,
)
from elsinore.runs.run import Run, best_replica_at
from elsinore.runs.run_dir import RunDir, listing_of
from elsinore.runs.shipped import is_shipped
from elsinore.runs.trust.trust import Trust
from elsinore.training.evaluation import refuse_to_explore
from elsinore.training.random_policy import UNTRAINED, random_policy
from elsinore.types import PolicyState, RunState
from elsinore.validation import did_you_mean
from elsinore.view.drawing.episode import Episode
from elsinore.view.drawing.film import check_film, write_film
from elsinore.view.drawing.multi_agent import MultiAgentEpisode, agent_number, episode_of
from elsinore.view.drawing.player import show_episode
from elsinore.view.drawing.terminal import WORLD_RENDERERS, render

MAX_STEPS = 5_000  # of an episode, which is held in memory as a whole


def episodes_of(
    target: str | Path | Run,
    *,
    policy: str | None = None,
    seed: int | None = None,
    episodes: int = 1,
    sample: bool = False,
    first_episode: int = 0,
    agent: int | str | None = None,
    settings: dict[str, Any] | None = None,
    runs_dir: str | Path = "runs",
    trust: Trust = False,
) -> Iterator[Episode | MultiAgentEpisode]:
    """Episodes of a target, each played lazily.

    Args:
        target: a replay file, a run (itself, its folder or name), or an environment with random
            actions.
        policy: of a run: `best`, `latest`, `untrained`, or the name of a checkpoint; by default
            the best one, or the latest where none was kept as best. `about["checkpoint"]` names it.
        seed: seed of the run whose policy acts; default: the best at that checkpoint.
        episodes: number of episodes of a run or an environment.
        sample: sample a run's actions as in training instead of taking the most likely ones.
        first_episode: number of the first episode; the same number is always the same episode.
        agent: of a multi-agent environment, the agent to show, by name or number; default: the
            first.
        settings: of an environment, dotted: `{"env_params.max_ante": 1}`.
        trust: import code that a replay or a run names, though this user did not make it.

    Raises:
        ConfigError: for an unknown target, an option that does not apply to it, or code that is
            neither this user's nor trusted.
    """
    if episodes < 1:
        raise ConfigError(f"episodes={episodes} must be at least 1.")
    numbers = range(first_episode, first_episode + episodes)
    if isinstance(target, Run):
        _check_no_settings(target.name, settings)
        return _of_run(target, policy, seed, numbers, sample, agent)
    target = str(target)
    if is_file(target):
        _check_as_recorded(target, policy, seed, numbers, sample)
        _check_no_settings(target, settings)
        return iter([episode_of(replays.read(Path(target), trust), agent=agent)])
    if _is_run(target, Path(runs_dir)):
        _check_no_settings(target, settings)
        run = api.load(target, runs_dir=runs_dir, trust=trust)
        return _of_run(run, policy, seed, numbers, sample, agent)
    if agent is not None:
        raise ConfigError(
            f"{target} is not a run in {runs_dir}, and agent={agent!r} is of a run of several"
            " agents; leave it out to watch random actions."
        )
    if policy not in (None, "untrained") or seed is not None or sample:
        raise ConfigError(
            f"{target} is not a run in {runs_dir}, and policy, seed and sample are of a run; leave"
            " them out to watch random actions."
        )
    return _random_episodes(target, settings or {}, numbers, runs_dir)


@checked
def play(
    target: str | Path | Run,
    path: str | Path | None = None,
    *,
    seed: int | None = None,
    policy: str | None = None,
    episodes: int = 1,
    sample: bool = False,
    agent: str | None = None,
    runs_dir: str | Path = "runs",
    trust: Trust = False,
) -> Path | None:
    """Show episodes in the terminal, or write them as a film (.gif, .mp4) to `path`.

    Args:
        target: a run (itself, its folder or name), a replay file, or an environment with random
            actions.
        seed: seed of the run whose policy acts; by default the best at that checkpoint.
        policy: `best`, `latest`, `untrained`, or the name of a checkpoint; by default the best, or
            the latest where none was kept as best.
        sample: sample actions as in training instead of taking the likeliest ones.
        agent: of several, the one to follow, by name; by default the best.
        trust: import code that a replay or a run names, though this user did not make it.

    Raises:
        ConfigError: as `episodes_of`, or for a path that cannot be a film.
    """
    if path is not None:
        check_film(Path(path))
    played = episodes_of(
        target,
        policy=policy,
        seed=seed,
        episodes=episodes,
        sample=sample,
        agent=agent,
        runs_dir=runs_dir,
        trust=trust,
    )
    if path is None:
        for episode in played:
            show_episode(episode, PlainConsole())
        return None
    write_film(Path(path), list(played))
    return Path(path)


@checked
def scene(replay: str | Path, time: int = 0, width: int = 110, *, trust: Trust = False) -> Any:
    """The environment at one moment of a recorded episode, as text in colours: a renderable of
    rich.

    Args:
        replay: the file, such as `runs/NAME/replays/0000000390-seed0.npz`.
        time: steps since the episode began; beyond its end it begins again.
        width: characters of a line at most.
        trust: import the environment's code though this user did not make the run.

    Raises:
        ConfigError: if the file is no replay, or its environment cannot be made.
    """
    try:
        changed = Path(replay).stat().st_mtime_ns
    except OSError as error:
        raise ConfigError(f"replay={str(replay)!r} cannot be read: {error.strerror}.") from error
    episode = _episode_in(Path(replay), changed, trust)
    shown = episode.scene(time % len(episode))
    worlds = tuple(panel for panel in shown.panels if type(panel) in WORLD_RENDERERS)
    return render(Scene(shown.title, worlds or shown.panels), width)


@lru_cache(maxsize=1)
def _episode_in(path: Path, changed: int, trust: Trust) -> Episode | MultiAgentEpisode:
    """The episode of a file that was `changed` last then."""
    return episode_of(replays.read(path, trust))


def _check_as_recorded(
    target: str, policy: str | None, seed: int | None, numbers: range, sample: bool
) -> None:
    options = {
        "policy": policy is not None,
        "seed": seed is not None,
        "sample": sample,
        "episodes": len(numbers) > 1,
        "episode (in Python, first_episode)": numbers.start != 0,
    }
    if given := [name for name, is_given in options.items() if is_given]:
        raise ConfigError(
            f"{target} is a replay, which is played as recorded; leave out {given[0]}."
        )


def _check_no_settings(target: str, settings: dict[str, Any] | None) -> None:
    if settings:
        raise ConfigError(
            f"--set (in Python, settings) applies to an environment by name; {target} keeps"
            " its recorded settings."
        )


def is_file(target: str) -> bool:
    """True for the target that is a replay, or would be."""
    return Path(target).is_file() or target.endswith(".npz")


def _is_run(target: str, runs_dir: Path) -> bool:
    try:
        RunDir.open(target, runs_dir)
    except ConfigError:
        is_folder = Path(target).is_dir() or (runs_dir / target).is_dir()
        if is_shipped(target) or is_remote(target) or is_folder:
            raise  # a policy of the package, a copy or a folder: the error names its kind
        return False
    return True


def _of_run(
    run: Run,
    policy: str | None,
    seed: int | None,
    numbers: range,
    sample: bool,
    agent: int | str | None,
) -> Iterator[Episode | MultiAgentEpisode]:
    preparation.prepare()
    plan = run.plan
    experiment = plan.experiment
    if sample:
        refuse_to_explore("--sample (in Python, sample=True)", experiment.varied)
    chosen = agent_number(agent, experiment.agents.names)
    i = None if seed is None else _replica(run, seed)
    if policy == "untrained":
        i = best_replica_at(run, None)[0] if i is None else i
        name, policy_state, params, update = policy, *_untrained(run, i)
    else:
        best, state, name = best_replica_at(run, policy)
        i = best if i is None else i
        policy_state, params, update = _trained(run, state, i)
    greedy = experiment.evaluation.greedy and not sample
    max_steps = min(max_steps_of(experiment, plan.env_params), MAX_STEPS)
    recorder = episode_player_for(plan, max_steps, greedy)
    env = plan.env.env if isinstance(plan.env, MultiAgentEnv) else plan.env
    own_seed = experiment.seed + i
    about = episode_recording.provenance(
        experiment, run.name, own_seed, update, plan.steps_per_update, greedy
    ) | {"checkpoint": name}
    for number in numbers:
        recording = recorder(policy_state, params, episode_key(own_seed, update, number))
        replay = episode_recording.recording_of(recording, params_of_each(plan.env, params), about)
        yield episode_of(replay, env, chosen)


def _replica(run: Run, seed: int) -> int:
    """Index of a seed among the run's replicas."""
    seeds = run.experiment.replica_seeds
    if seed not in seeds:
        raise ConfigError(f"seed={seed} is not of this run; it has {span(seeds)}.")
    return seeds.index(seed)


def _untrained(run: Run, i: int) -> tuple[PolicyState, PyTree, int]:
    """A replica's policy before any training, imitation included, the environment parameters to
    show it with, and no update."""
    seed = run.experiment.seed + i % run.experiment.seeds
    imitates = run.plan.experiment.imitation is not None
    plan = run.plan_with({"imitation": None}) if imitates else run.plan
    train = jax.jit(plan.program.init)(jax.random.key(seed)).train
    return train.policy_state, plan.shown_in(train.env_params), 0


def _trained(run: Run, state: RunState, i: int) -> tuple[PolicyState, PyTree, int]:
    """A replica's policy, the environment parameters to show it with, and its number of updates."""
    train = jax.tree.map(lambda x: x[i], state.train)
    return train.policy_state, run.plan.shown_in(train.env_params), int(train.update)


def _random_episodes(
    target: str, settings: dict[str, Any], numbers: range, runs_dir: Any
) -> Iterator[Episode]:
    env, params = _made(target, settings, runs_dir)
    try:
        algo = random_policy(env, params)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    preparation.prepare()
    limit = int(np.max(time_limits(params, 0)))
    longest = min(limit if limit > 0 else MAX_STEPS, MAX_STEPS)
    recorder = EpisodePlayer(algo, env, longest, greedy=False)
    given = _env_settings(settings)
    about = {"env": target, "algo": "chance"} | {n: given[n] for n in ("env_kwargs", "wrappers")}
    for number in numbers:
        recording = recorder(UNTRAINED, params, episode_key(0, 0, number))
        yield Episode(
            episode_recording.recording_of(recording, params, about | {"seed": number}), env
        )


def _env_settings(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted settings as the arguments `env_kwargs`, `env_params` and `wrappers` of `make`."""
    data: dict[str, Any] = {}
    for name, value in settings.items():
        set_dotted(data, name, value)
    unknown = set(data) - {"env_kwargs", "env_params", "wrappers"}
    if unknown:
        raise ConfigError(
            f"{unknown.pop()} is not a setting of an environment; use env_kwargs.NAME,"
            " env_params.NAME or wrappers."
        )
    return {"env_kwargs": {}, "env_params": {}, "wrappers": []} | data


def _made(target: str, settings: dict[str, Any], runs_dir: Any) -> tuple[Any, PyTree]:
    given = _env_settings(settings)
    try:
        return make(target, given["env_kwargs"], given["env_params"], given["wrappers"])
    except ValueError as error:
        if is_known(target) or ":" in target:
            raise ConfigError(str(error)) from error
        hint = env_hint(target)
        close = f"; {hint}." if hint else did_you_mean(target, names())
        raise ConfigError(
            f"{target} is not a replay, a run in {runs_dir} or a known environment"
            f"{close} {listing_of(Path(runs_dir))} and `elsinore envs` list"
            " them."
        ) from error


def env_to_play(
    target: str,
    settings: dict[str, Any],
    runs_dir: str | Path = "runs",
    trust: Trust = False,
) -> tuple[Any, PyTree]:
    """The environment of a run, or one by name, for human play; with its parameters.

    `settings` are dotted, for an environment by name: `env_params.max_ante`, `env_kwargs.stage`.

    Raises:
        ConfigError: for an unknown target or setting, or a run's code that is neither this user's
            nor trusted.
    """
    if _is_run(target, Path(runs_dir)):
        _check_no_settings(target, settings)
        plan = api.load(target, runs_dir=runs_dir, trust=trust).plan
        env = plan.env.env if isinstance(plan.env, MultiAgentEnv) else plan.env
        return env, params_of_one(plan.env, plan.env_params)
    return _made(target, settings, runs_dir)
