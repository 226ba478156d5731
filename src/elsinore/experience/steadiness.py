"""How steadily an agent survives, and a number that shrinks while it does."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class RecentEpisodes(NamedTuple):
    """The lengths of the episodes that finished last."""

    lengths: Float[Array, "window"]  # the latest at the end; the first `window - count` are not yet any episode's
    count: Int[Array, ""]  # episodes in it, at most `window`


class Steadiness(NamedTuple):
    """What is called steady: at least `min_episodes` seen, little `variance` among them, and long ones."""

    variance: Float[Array, ""] | float  # the lengths' sample variance (over n - 1) is below it
    mean: Float[Array, ""] | float  # their mean is above it
    min_episodes: int = 2  # no variance is known of fewer


def no_episodes(window: int) -> RecentEpisodes:
    """None has finished yet; the last `window` will be remembered."""
    return RecentEpisodes(jnp.zeros(window), jnp.int32(0))


def remember(recent: RecentEpisodes, length: Float[Array, ""]) -> RecentEpisodes:
    """One more episode; the oldest is forgotten where the window is full."""
    window = recent.lengths.shape[0]
    return RecentEpisodes(jnp.append(recent.lengths[1:], length), jnp.minimum(recent.count + 1, window))


def is_steady(recent: RecentEpisodes, bar: Steadiness) -> Bool[Array, ""]:
    """Whether the remembered episodes, however many there are, pass the bar."""
    window = recent.lengths.shape[0]
    known = jnp.arange(window) >= window - recent.count
    mean = jnp.sum(recent.lengths, where=known) / jnp.maximum(recent.count, 1)
    variance = jnp.sum(jnp.square(recent.lengths - mean), where=known) / jnp.maximum(recent.count - 1, 1)
    return (recent.count >= bar.min_episodes) & (variance < bar.variance) & (mean > bar.mean)


def anneal(
    weight: Float[Array, ""],
    recent: RecentEpisodes,
    done: Bool[Array, "time env"],
    length: Int[Array, "time env"],
    bar: Steadiness,
    factor: Float[Array, ""] | float,
) -> tuple[Float[Array, ""], RecentEpisodes]:
    """Take in each episode that ended (`done`, of that `length`) and multiply `weight` by `factor` if survival is
    steady then. Episodes count in the order of time, and of envs within a step.

    The loop runs once an episode, not once a step: few end in a rollout, and each costs a look at the whole window.
    """
    finished = jnp.nonzero(done.reshape(-1), size=done.size, fill_value=0)[0]
    lengths = length.reshape(-1).astype(jnp.float32)

    def episode(i, carry):
        weight, recent = carry
        recent = remember(recent, lengths[finished[i]])
        return jnp.where(is_steady(recent, bar), factor * weight, weight), recent

    return jax.lax.fori_loop(0, jnp.sum(done, dtype=jnp.int32), episode, (weight, recent))


def episode_lengths(done: Bool[Array, "time env"], before: Int[Array, "env"]) -> Int[Array, "time env"]:
    """How long each env's episode was after each step; `before` is how long it was as the rollout began."""
    time = np.arange(done.shape[0], dtype=np.int32)[:, None]
    begins = jnp.where(done[:-1], time[1:], -(2**31 - 1))  # the step at which an episode begins
    began = jax.lax.cummax(jnp.concatenate([-before[None], begins]), axis=0)
    return time + 1 - began
