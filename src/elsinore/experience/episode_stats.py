"""Statistics of the last finished episodes, and further numbers of an episode from `info`.

An env with a mapping `episode_facts`, such as `{"won": "win rate"}`, has these numbers of `info`
recorded when an episode ends: in training as `episode/won`, in evaluations as `eval/won`, in
`summary.json`, and in reports under the given words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from elsinore.jaxtools import shards
from elsinore.types import TrainState

# recorded by a rollout itself; any other name is of the env's `info`
OWN = ("return", "length")
MANY = 2**30  # episodes, at which `num` is wrapped


@partial(
    jax.tree_util.register_dataclass, data_fields=["recent", "num", "fresh"], meta_fields=["names"]
)
@dataclass(frozen=True)
class EpisodeStats:
    """The last finished episodes, of those that began after the last `forget`."""

    names: tuple[str, ...]
    recent: Any  # Float [name, window], or its shape: a ring: episode i is in slot i % window
    num: Any  # Int []: episodes since the last `forget`
    fresh: Any  # Bool [env]: whether the running episode began after it

    @property
    def window(self) -> int:
        return self.recent.shape[1]

    @property
    def age(self) -> Int[Array, "window"]:
        """Distance of each slot from the newest episode; at least `num` for an empty slot."""
        return (self.num - 1 - jnp.arange(self.window)) % self.window

    @property
    def info_names(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in OWN)


def init_episode_stats(names: tuple[str, ...], window: int, num_envs: int) -> EpisodeStats:
    """Empty statistics; every env is at the start of an episode that will count."""
    return EpisodeStats(
        names, jnp.zeros((len(names), window)), jnp.int32(0), jnp.ones(num_envs, bool)
    )


def with_stats(train: TrainState, field: str, names: tuple[str, ...], window: int) -> TrainState:
    """A train state whose actor records its last `window` episodes in that field."""
    rows = train.actor.episode_length.size  # envs, or agents in them
    stats = init_episode_stats(names, window, rows)
    return train._replace(actor=train.actor._replace(**{field: stats}))


def forget(episode_stats: EpisodeStats) -> EpisodeStats:
    """Clear the statistics; the running episodes will not count."""
    return replace(
        episode_stats,
        num=jnp.zeros_like(episode_stats.num),
        fresh=jnp.zeros_like(episode_stats.fresh),
    )


def count_episodes(
    episode_stats: EpisodeStats,
    done: Bool[Array, "time env"],
    values: Mapping[str, Shaped[Array, "time env"]],
) -> EpisodeStats:
    """Record the episodes of a rollout that ended where `done`, with their `values` by name.

    Episodes count in order of time, then of env.
    """
    # at this step or before, in this rollout
    ended = jax.lax.cummax(done.astype(jnp.int32)).astype(bool)
    began_after = jnp.concatenate([episode_stats.fresh[None], episode_stats.fresh | ended[:-1]])
    counts = (done & began_after).reshape(-1)
    number = episode_stats.num + jnp.cumsum(counts, dtype=jnp.int32) - 1
    num = number[-1] + 1
    kept = counts & (number >= num - episode_stats.window)
    slot = jnp.where(
        kept, number % episode_stats.window, episode_stats.window
    )  # out of the ring: dropped
    rows = jnp.stack([values[name].reshape(-1).astype(jnp.float32) for name in episode_stats.names])
    return replace(
        episode_stats,
        recent=episode_stats.recent.at[:, slot].set(rows, mode="drop"),
        # the slots stay
        num=jnp.where(
            num < MANY, num, num - MANY // 2 // episode_stats.window * episode_stats.window
        ),
        fresh=episode_stats.fresh | ended[-1],
    )


def count_episodes_of_all_shards(
    episode_stats: EpisodeStats,
    done: Bool[Array, "time env"],
    values: Mapping[str, Shaped[Array, "time env"]],
) -> EpisodeStats:
    """`count_episodes` of the envs of all shards of a seed, in their order, as in a rollout of all
    envs. Each shard has its own envs' `fresh`, and shares the rest."""
    if shards.number() == 1:
        return count_episodes(episode_stats, done, values)
    counted_of = {name: values[name] for name in episode_stats.names}
    done, values = shards.gather_envs((done, counted_of))
    fresh = shards.gather(episode_stats.fresh)
    counted = count_episodes(replace(episode_stats, fresh=fresh.reshape(-1)), done, values)
    return replace(counted, fresh=counted.fresh.reshape(fresh.shape)[shards.index()])


def mean_of_last(episode_stats: EpisodeStats, name: str, number: int) -> Float[Array, ""]:
    """The mean of the last `number` episodes; NaN before there are so many."""
    values = episode_stats.recent[episode_stats.names.index(name)]
    mean = jnp.sum(jnp.where(episode_stats.age < number, values, 0.0)) / number
    return jnp.where(episode_stats.num >= number, mean, jnp.nan)


def check_recorded(setting: str, before: EpisodeStats | None, after: EpisodeStats | None) -> None:
    """Check, at trace time, that an update records its episodes, as `setting` needs.

    Raises:
        ValueError: if the update left the episode statistics unchanged.
    """
    if before is None or after is None or after.num is before.num:
        raise ValueError(
            f"{setting}: this algorithm does not record its episodes; collect with"
            f" elsinore.experience.rollout, or leave {setting} out."
        )


def facts_of(env: Any) -> Mapping[str, str]:
    """Label of each further number, by its name in `info`; empty for an env without any."""
    return getattr(env, "episode_facts", {})


def episode_facts(env: Any, info: Mapping[str, Any]) -> dict[str, Float[Array, "*row"]]:
    """Those numbers of a step's `info`, as float32."""
    return {name: jnp.asarray(info[name], jnp.float32) for name in facts_of(env)}
