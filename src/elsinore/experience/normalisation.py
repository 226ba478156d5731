"""Running normalisation of observations and rewards; its statistics are in the train state.

Observations are normalised by what was known before the rollout, in acting and in learning alike,
so that the first ratio of an update is exactly 1. Rewards are divided by the deviation of the
running discounted return, this rollout's included; what is logged is always the raw reward.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree

from elsinore.jaxtools import shards
from elsinore.ops import running_statistics
from elsinore.ops.losses import standardise, standardise_by
from elsinore.ops.running_statistics import RunningStats
from elsinore.ops.schedules import Scalar


class Normalisers(NamedTuple):
    """Statistics of the normalisers; None where one is off."""

    obs: PyTree | None  # a RunningStats for each leaf of the observation
    returns: RunningStats | None
    running_return: Float[Array, "env"] | None


def init_normalisers(obs: PyTree, normalise_obs: bool, normalise_rewards: bool) -> Normalisers:
    """Statistics of no data yet; `obs` is a batch of observations [env, ...]."""
    return Normalisers(
        obs=jax.tree.map(lambda x: running_statistics.empty(x.shape[1:]), obs)
        if normalise_obs
        else None,
        returns=running_statistics.empty() if normalise_rewards else None,
        running_return=jnp.zeros(jax.tree.leaves(obs)[0].shape[0]) if normalise_rewards else None,
    )


def normalise_obs(stats: Normalisers, obs: PyTree) -> PyTree:
    """Scale each leaf to zero mean and unit deviation, within +-10; an action mask is unchanged."""
    if stats.obs is None:
        return obs
    seen = jax.tree.map(running_statistics.normalise, stats.obs, obs, is_leaf=_is_stats)
    return (
        seen | {"action_mask": obs["action_mask"]}
        if isinstance(obs, dict) and "action_mask" in obs
        else seen
    )


def observe(stats: Normalisers, obs: PyTree) -> Normalisers:
    """Update the statistics with a rollout's observations, [time, env, ...]."""
    if stats.obs is None:
        return stats

    def update(known: RunningStats, x: Array) -> RunningStats:
        rows = x.astype(jnp.float32).reshape(-1, *known.mean.shape)
        return shards.per_shard(running_statistics.merge)(known, of_all_shards(rows))

    return stats._replace(obs=jax.tree.map(update, stats.obs, obs, is_leaf=_is_stats))


def of_all_shards(x: Float[Array, "batch ..."]) -> RunningStats:
    """The statistics of one batch, and of those of the seed's other shards."""
    if shards.number() == 1:
        return running_statistics.of_batch(x)
    each = shards.gather(shards.per_shard(running_statistics.of_batch)(x))
    batches = [jax.tree.map(lambda x, i=i: x[i], each) for i in range(shards.number())]
    return functools.reduce(shards.per_shard(running_statistics.merge), batches)


def standardise_over_shards(x: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """`x` with the mean 0 and the standard deviation 1 over all shards."""
    if shards.number() == 1:
        return standardise(x)
    stats = of_all_shards(x.reshape(-1))
    return shards.per_shard(lambda x: standardise_by(x, stats.mean, jnp.sqrt(stats.var)))(x)


def _is_stats(x: Any) -> bool:
    return isinstance(x, RunningStats)


def restart_returns(stats: Normalisers, restarted: Bool[Array, "env"]) -> Normalisers:
    """The statistics where some environments begin another episode though the last did not end: its
    return is not continued."""
    if stats.running_return is None:
        return stats
    return stats._replace(running_return=jnp.where(restarted, 0.0, stats.running_return))


def scale_rewards(
    stats: Normalisers,
    reward: Float[Array, "time env"],
    done: Bool[Array, "time env"],
    gamma: Scalar,
) -> tuple[Normalisers, Float[Array, "time env"]]:
    """Divide rewards by the deviation of the return R_t = gamma R_{t-1} + r_t, which starts anew
    *after* an episode's last reward (before it, that reward would leak into the next episode), and
    clip them to [-10, 10]."""
    if stats.returns is None:
        return stats, reward

    def step(running_return, inputs):
        reward, done = inputs
        running_return = gamma * running_return + reward
        return jnp.where(done, 0.0, running_return), running_return

    def discounted(running_return: Array, steps: tuple) -> tuple[Array, Array]:
        return jax.lax.scan(step, running_return, steps)

    running_return, returns = shards.per_shard(discounted)(stats.running_return, (reward, done))
    merge = shards.per_shard(running_statistics.merge)
    known = merge(stats.returns, of_all_shards(returns.reshape(-1)))
    scaled = jnp.clip(reward * jax.lax.rsqrt(known.var + 1e-8), -10.0, 10.0)
    return stats._replace(returns=known, running_return=running_return), scaled


def unscaled(stats: Normalisers, values: Float[Array, "..."]) -> Float[Array, "..."]:
    """Values learnt from scaled rewards, in the unit of the rewards themselves: times the deviation
    that the latest were divided by."""
    return values if stats.returns is None else values * jnp.sqrt(stats.returns.var + 1e-8)


def without_unit(stats: PyTree) -> PyTree:
    """The normalisers with which `unscaled` gives values as they are learnt; those of an algorithm
    that has its own as they are."""
    return stats._replace(returns=None) if isinstance(stats, Normalisers) else stats
