"""Seeds of several shards: the experiment of a shard, and what cannot be divided into shards."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from elsinore.algos.registry import ALGORITHMS
from elsinore.algos.replay import updates_per
from elsinore.config.experiment import Experiment
from elsinore.errors import ConfigError
from elsinore.experience.rnd import RNDConfig
from elsinore.nets.config import ENCODERS
from elsinore.training.imitation import ImitationConfig

SHARDED = ("ppo", "a2c", "pqn", "dqn")  # the algorithms with equal bits on any devices


def shard_of(experiment: Experiment) -> Experiment:
    """The experiment of one shard: an ordinary seed with its part of the envs.

    Raises:
        ConfigError: naming the setting that cannot be divided, its value and a remedy.
    """
    shards, algo = experiment.shards, experiment.algo
    num_envs = _part("algo.num_envs", algo.num_envs, shards)
    own = _replay_of_shard(algo, shards) | _bonus_of_shard(algo, shards)
    taught = _imitation_of_shard(experiment.imitation, shards)
    try:
        part = replace(algo, num_envs=num_envs, **own)
        return replace(experiment, shards=1, algo=part, imitation=taught)
    except ValueError as error:
        raise ConfigError(
            f"shards={shards} gives each shard {num_envs} of algo.num_envs={algo.num_envs}, and"
            f" then {error} Lower shards, or raise algo.num_envs."
        ) from error


def _replay_of_shard(algo: Any, shards: int) -> dict[str, int]:
    """The settings of a shard's replay buffer, with which it learns in the updates in which the
    whole seed would."""
    if not hasattr(algo, "buffer_size"):
        return {}
    own = {
        name: _part(f"algo.{name}", getattr(algo, name), shards)
        for name in ("buffer_size", "batch_size")
    }
    own["learning_starts"] = algo.learning_starts // shards
    if hasattr(algo, "target_period"):
        steps = algo.steps_per_update // shards
        own["target_period"] = updates_per(algo.target_period, algo) * steps
    return own


def _bonus_of_shard(algo: Any, shards: int) -> dict[str, RNDConfig]:
    """The settings of a shard's exploration bonus: its part of each group of observations."""
    if not algo.rnd.weight:
        return {}
    size = _part("algo.rnd.batch_size", algo.rnd.batch_size, shards)
    return {"rnd": replace(algo.rnd, batch_size=size)}


def _imitation_of_shard(config: ImitationConfig | None, shards: int) -> ImitationConfig | None:
    """The settings of a shard's imitation, of as many updates as the whole seed's."""
    if config is None:
        return None
    num_envs = _part("imitation.num_envs", config.num_envs, shards)
    env_steps = config.num_updates * num_envs * config.rollout_length
    return replace(config, num_envs=num_envs, env_steps=env_steps)


def _part(name: str, value: int, shards: int) -> int:
    if value % shards:
        raise ConfigError(
            f"shards={shards} does not divide {name}={value}; choose a multiple of {shards}, or"
            " other shards."
        )
    return value // shards


def refuse_what_shards_do_not_have(experiment: Experiment, network: Any = None) -> None:
    """Refuse what was not shown to have the same bits wherever its shards are; `network` is an
    object in place of `algo.network`.

    Raises:
        ConfigError: naming the setting, its value and a remedy.
    """
    shards, algo = experiment.shards, experiment.algo
    if algo.name not in SHARDED:
        known = "it" if algo.name in ALGORITHMS else "an algorithm of your own"
        raise ConfigError(
            f"shards={shards} cannot be used with algo={algo.name!r}: {known} was not shown to have"
            f" the same bits on any devices; use shards=1, or {' or '.join(SHARDED)}."
        )
    for name, remedy in (*_refused(experiment, network), *_refused_in_algo(algo)):
        raise ConfigError(f"shards={shards} cannot be used with {name}; {remedy}, or use shards=1.")


def refuse_env(experiment: Experiment, on_host: bool) -> None:
    """Refuse an environment on the host, for which equal bits were not shown.

    Raises:
        ConfigError: naming the environment and a remedy.
    """
    if on_host:
        raise ConfigError(
            f"shards={experiment.shards} cannot be used with env={experiment.env!r}, which is"
            " stepped on the host; use shards=1, or an environment in JAX."
        )


def _refused_in_algo(algo: Any) -> Iterator[tuple[str, str]]:
    """(setting, remedy) of each that shards do not have."""
    net = algo.network
    if net.custom is not None:
        yield f"algo.network.custom={net.custom!r}", "leave it out"
    if net.encoder not in ENCODERS:
        yield f"algo.network.encoder={net.encoder!r}", "choose auto, mlp, cnn or nature"
    if net.dtype != "float32":
        yield f"algo.network.dtype={net.dtype!r}", "choose float32"
    if getattr(algo, "reset_period", None) is not None:
        yield f"algo.reset_period={algo.reset_period}", "set algo.reset_period=null"
    if getattr(algo, "popart", False):
        yield "algo.popart=true", "set algo.popart=false"
    if getattr(algo, "advantage", "gae") != "gae":
        yield f"algo.advantage={algo.advantage!r}", "choose gae"


def _refused(experiment: Experiment, network: Any) -> Iterator[tuple[str, str]]:
    """(setting, remedy) of each that shards do not have."""
    if experiment.agents.number > 1:
        yield f"agents.number={experiment.agents.number}", "train one agent"
    if network is not None:
        yield "a network of your own", "leave it out"
    if experiment.self_play is not None:
        yield "self_play", "set self_play: null"
    if experiment.layout == "vmap":
        yield "layout='vmap'", "set layout=auto, which is map where there are shards"
