"""The schedule of a run: updates, chunks and the bounds of its evaluations."""

from typing import Any

import numpy as np
from jaxtyping import PyTree

from elsinore.algos.a2c import A2CConfig
from elsinore.algos.dqn import DQNConfig
from elsinore.algos.off_policy import OffPolicyConfig
from elsinore.algos.ppo import PPOConfig
from elsinore.algos.registry import steps_per_update
from elsinore.algos.replay import first_training
from elsinore.algos.td3 import TD3Config
from elsinore.config.curricula import longest_episode, stage_limits
from elsinore.config.experiment import Experiment
from elsinore.envs.time_limit import time_limits
from elsinore.errors import ConfigError
from elsinore.training.schedule import Schedule

ON_REQUEST = 400  # chunks of a run that evaluates by episodes or seconds
COUNTED = 2**24  # steps: the last number up to which float32 has every whole one


def schedule_for(experiment: Experiment, env_params: PyTree = None) -> Schedule:
    """Whole updates only, cut into about 20 chunks unless `evaluation.period` says otherwise, or
    `ON_REQUEST` where it is in a unit that only a run can count; with
    `stop.episodes` as many as these take at most, by the time limit in `env_params`, or the longest
    of a curriculum's stages."""
    steps = steps_per_update(experiment.algo) * experiment.agents.number
    updates = experiment.env_steps // steps
    if experiment.stop.episodes is not None:
        updates = -(-_most_steps(experiment, env_params) // steps)
    if updates < 1:
        raise ConfigError(
            f"env_steps={experiment.env_steps} is less than one update of {steps} steps "
            f"({' x '.join(rollout_sizes(experiment.algo))}); {longer(experiment, 'raise it')}."
        )
    if updates >= 2**31:
        episodes = experiment.stop.episodes
        budget = (
            f"env_steps={experiment.env_steps} is"
            if episodes is None
            else f"stop.episodes={episodes} may take"
        )
        raise ConfigError(f"{budget} {updates} updates; at most 2^31 - 1 can be counted.")
    earlier = [budget // steps for budget in experiment.earlier_env_steps]
    first = earlier[0] if earlier else updates  # a lengthened run keeps the length of its chunks
    period = experiment.evaluation.period
    if isinstance(period, str):
        period = max(1, first // ON_REQUEST)
    per_chunk = min(period or max(1, first // 20), updates)
    extra_ends = sorted({end for end in earlier if end < updates and end % per_chunk})
    per_row = -(-per_chunk // experiment.rows_per_chunk)
    return Schedule(updates, per_chunk, per_row, tuple(extra_ends))


def longer(experiment: Experiment, env_steps: str = "") -> str:
    """The remedy for a run that is too short, in the unit of its budget; `env_steps` is its text
    where that is env steps."""
    stop = experiment.stop
    if stop.episodes is not None:
        return f"raise stop.episodes={stop.episodes}"
    if stop.seconds is not None:  # beside which env_steps cannot be set
        return (
            f"give more than {experiment.env_steps} env steps by env_steps, in place of"
            f" stop.seconds={stop.seconds:g}"
        )
    return env_steps or f"raise env_steps={experiment.env_steps}"


def _most_steps(experiment: Experiment, env_params: PyTree) -> int:
    """The env steps within which each seed has certainly finished `stop.episodes` episodes."""
    episodes, limits = experiment.stop.episodes, [np.max(time_limits(env_params, 0))]
    if experiment.curriculum is not None:
        limits = stage_limits(experiment.curriculum, env_params)
    if episodes is None or min(limits) < 1:
        raise ConfigError(
            f"stop.episodes={episodes} cannot be bounded in {experiment.env}, which has no time"
            " limit; give env_steps, or a wrapper time_limit."
        )
    rows = getattr(experiment.algo, "num_envs", 1) * experiment.agents.number
    return -(-episodes // rows) * rows * int(max(limits))


def refuse_to_learn_nothing(experiment: Experiment, schedule: Schedule) -> None:
    """A run that is over before its buffer is learnt from, or its actor learns, would end without
    a word of it."""
    agents = experiment.agents.number if experiment.agents.shared else 1
    env_steps = schedule.num_updates * steps_per_update(experiment.algo) * agents  # of a learner
    whose = "each agent in this run" if experiment.agents.number > agents else "this run"
    for path, algo in _learners(experiment):
        if isinstance(algo, DQNConfig | OffPolicyConfig) and algo.learning_starts >= env_steps:
            raise ConfigError(
                f"{path}.learning_starts={algo.learning_starts} is not below the {env_steps} env"
                f" steps of {whose}: nothing would be learnt; lower it, or {longer(experiment)}."
            )
        if isinstance(algo, DQNConfig | OffPolicyConfig):
            _refuse_no_window(path, algo, experiment, schedule)
        if isinstance(algo, TD3Config):
            _refuse_idle_actor(path, algo, experiment, schedule)
        if isinstance(algo, PPOConfig | A2CConfig):
            _refuse_one_transition(path, algo, agents)


def _refuse_no_window(
    path: str, algo: DQNConfig | OffPolicyConfig, experiment: Experiment, schedule: Schedule
) -> None:
    """Refuse targets and sequences that are longer than all that an environment takes."""
    window, of = algo.n_step, "n_step"
    if isinstance(algo, DQNConfig) and algo.network.memory is not None:
        window, of = algo.window, "burn_in + sequence_length + n_step - 1"
    steps = schedule.num_updates * algo.rollout_length
    if window > steps:
        raise ConfigError(
            f"{path}.n_step={algo.n_step} needs {window} steps of one environment ({of}), and each"
            f" takes {steps} in this run: nothing would be learnt; lower it, or"
            f" {longer(experiment)}."
        )


def _refuse_one_transition(path: str, algo: PPOConfig | A2CConfig, agents: int) -> None:
    """Refuse advantages that are standardised over one transition, which makes each 0. The shards
    of a seed, and agents that share a learner, are standardised together."""
    kind = algo.normalize_advantage
    if kind in (False, "none"):
        return
    parts = algo.num_minibatches if isinstance(algo, PPOConfig) and kind == "minibatch" else 1
    if algo.num_envs * algo.rollout_length * agents == parts:
        raise ConfigError(
            f"{path}.normalize_advantage={kind!r} standardises over one transition"
            f" (num_envs={algo.num_envs}, rollout_length={algo.rollout_length}, minibatches:"
            f" {parts}), whose advantage is then always 0: the policy would learn nothing; set it"
            f" to {'false' if kind is True else 'none'}, or raise num_envs or rollout_length."
        )


def _refuse_idle_actor(
    path: str, algo: TD3Config, experiment: Experiment, schedule: Schedule
) -> None:
    """Refuse an actor whose turn never comes."""
    first, last = (
        updates * algo.gradient_steps // algo.policy_delay
        for updates in (first_training(algo), schedule.num_updates)
    )
    if first == last:
        raise ConfigError(
            f"{path}.policy_delay={algo.policy_delay} is more than the gradient steps of this run:"
            f" the actor would learn nothing; lower it, or {longer(experiment)}."
        )


def refuse_endless_survival(experiment: Experiment, env_params: PyTree) -> None:
    """Refuse an exploration bonus that is annealed by a share of the longest episode where
    episodes have no time limit.

    Raises:
        ConfigError: naming the setting, its value and a remedy.
    """
    if np.max(time_limits(env_params, 0)):
        return
    for path, algo in _learners(experiment):
        rnd = getattr(algo, "rnd", None)
        varies = f"{path}.rnd.weight" in experiment.vary
        if rnd is not None and rnd.annealed_by_length and (rnd.weight or varies):
            raise ConfigError(
                f"{path}.rnd.anneal_share={rnd.anneal_share} is a share of the longest episode, and"
                f" env={experiment.env!r} has no time limit, so the bonus would never be annealed;"
                f" set {path}.rnd.anneal_share=0, or add the wrapper time_limit."
            )


def _learners(experiment: Experiment) -> list[tuple[str, Any]]:
    """The config of each algorithm that learns, with its path."""
    own = [(f"agents.each[{i}]", each.algo) for i, each in enumerate(experiment.agents.each)]
    return own or [("algo", experiment.algo)]


def rollout_sizes(algo: Any) -> list[str]:
    """The settings that make a rollout as large as it is, or where an algorithm has none, its
    name."""
    named = [
        f"algo.{name}={getattr(algo, name)}"
        for name in ("num_envs", "rollout_length")
        if hasattr(algo, name)
    ]
    return named or [f"the env steps of an update of algo={algo.name!r}"]


def max_steps_of(experiment: Experiment, env_params: PyTree) -> int:
    """The bound on an evaluation's episodes: the config's, or else the environment's own time
    limit."""
    own = time_limits(env_params)
    longest = (
        own if experiment.curriculum is None else longest_episode(experiment.curriculum, env_params)
    )
    limit = experiment.evaluation.max_steps or (0 if longest is None else np.max(longest))
    if not limit or limit < 1:
        has = "has none" if longest is None else f"has {limit}"
        raise ConfigError(
            f"evaluation.max_steps=0 means the environment's own limit, and {experiment.env} {has};"
            " set it."
        )
    return int(limit)


def uncounted_steps(experiment: Experiment, env_params: PyTree) -> list[str]:
    """A warning where an evaluation's episode may be longer than float32 can count."""
    if (most := max_steps_of(experiment, env_params)) <= COUNTED:
        return []
    return [
        f"warning         an episode of an evaluation may have {most:,} steps, and float32 counts"
        f" to {COUNTED:,}: a longer one takes long, and its return may lack rewards; set"
        " evaluation.max_steps, or env_params.max_steps_in_episode"
    ]
