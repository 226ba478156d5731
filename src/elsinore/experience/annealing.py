"""Anneal a weight while the recent episodes are steadily long."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.ops.schedules import Scalar


class RecentEpisodes(NamedTuple):
    """Lengths of the last finished episodes."""

    lengths: Float[Array, "window"]  # the latest at the end; the first `window - count` are empty
    # the number of episodes
    count: Int[Array, ""]  # pyright: ignore[reportIncompatibleMethodOverride]


class Steadiness(NamedTuple):
    """Bounds for steady survival: enough episodes, of little variance and great mean length."""

    variance: Scalar  # the lengths' sample variance (over n - 1) is below it
    mean: Scalar  # their mean is above it
    min_episodes: int = 2  # no variance is known of fewer


def no_episodes(window: int) -> RecentEpisodes:
    """An empty record with room for `window` episodes."""
    return RecentEpisodes(jnp.zeros(window), jnp.int32(0))


def record_length(recent: RecentEpisodes, length: Float[Array, ""]) -> RecentEpisodes:
    """Append an episode; a full window drops its oldest."""
    window = recent.lengths.shape[0]
    return RecentEpisodes(
        jnp.append(recent.lengths[1:], length), jnp.minimum(recent.count + 1, window)
    )


def is_steady(recent: RecentEpisodes, bar: Steadiness) -> Bool[Array, ""]:
    """True where the recorded episodes are within the bounds."""
    window = recent.lengths.shape[0]
    known = jnp.arange(window) >= window - recent.count
    mean = jnp.sum(recent.lengths, where=known) / jnp.maximum(recent.count, 1)
    variance = jnp.sum(jnp.square(recent.lengths - mean), where=known) / jnp.maximum(
        recent.count - 1, 1
    )
    return (recent.count >= bar.min_episodes) & (variance < bar.variance) & (mean > bar.mean)


def anneal_while_steady(
    weight: Float[Array, ""],
    recent: RecentEpisodes,
    done: Bool[Array, "time env"],
    length: Int[Array, "time env"],
    bar: Steadiness,
    factor: Scalar,
) -> tuple[Float[Array, ""], RecentEpisodes]:
    """Record each episode that ended (`done`, of that `length`), and multiply `weight` by `factor`
    after each one at which survival is steady. Episodes count in order of time, then of env.

    The loop runs once per episode, not per step: few end in a rollout, and each reads the window.
    """
    finished = jnp.nonzero(done.reshape(-1), size=done.size, fill_value=0)[0]
    lengths = length.reshape(-1).astype(jnp.float32)

    def episode(i, carry):
        weight, recent = carry
        recent = record_length(recent, lengths[finished[i]])
        return jnp.where(is_steady(recent, bar), factor * weight, weight), recent

    return jax.lax.fori_loop(0, jnp.sum(done, dtype=jnp.int32), episode, (weight, recent))


def episode_lengths(
    done: Bool[Array, "time env"], before: Int[Array, "env"]
) -> Int[Array, "time env"]:
    """Length of each env's episode after each step; `before`: its length as the rollout began."""
    time = np.arange(done.shape[0], dtype=np.int32)[:, None]
    begins = jnp.where(done[:-1], time[1:], -(2**31 - 1))  # the step at which an episode begins
    began = jax.lax.cummax(jnp.concatenate([-before[None], begins]), axis=0)
    return jnp.asarray(time + 1 - began)
