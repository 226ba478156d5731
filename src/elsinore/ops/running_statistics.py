"""Mean and variance of a stream, exact for any length."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped, UInt32


class RunningStats(NamedTuple):
    """Mean and variance of a stream so far, for each feature.

    The count is two 32-bit words, so it neither wraps at 2^31 nor stops growing at 2^24 as a
    float32 would.
    """

    count_high: UInt32[Array, ""]
    count_low: UInt32[Array, ""]
    mean: Float[Array, "..."]
    var: Float[Array, "..."]  # population variance; 1 while the count is 0

    @property
    def count(self) -> Float[Array, ""] | np.floating:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The count rounded to a float32, for ratios; only the two words are exact."""
        return self.count_high.astype(jnp.float32) * 2.0**32 + self.count_low.astype(jnp.float32)


def empty(shape: tuple[int, ...] = ()) -> RunningStats:
    """Statistics of an empty stream: mean 0 and variance 1, which normalise nothing."""
    return RunningStats(jnp.uint32(0), jnp.uint32(0), jnp.zeros(shape), jnp.ones(shape))


def of_batch(x: Float[Array, "batch ..."]) -> RunningStats:
    """The statistics of one batch, over its first axis."""
    return RunningStats(
        jnp.uint32(0), jnp.uint32(x.shape[0]), jnp.mean(x, axis=0), jnp.var(x, axis=0)
    )


def merge(a: RunningStats, b: RunningStats) -> RunningStats:
    """The statistics of both streams together, in either order.

        mean = mean_a + w (mean_b - mean_a)
        var  = var_a + w (var_b - var_a + (1 - w) (mean_b - mean_a)^2)

    with w = n_b / (n_a + n_b). Source: Chan, Golub & LeVeque 1979, "Updating formulae", in weights
    rather than sums of squares, which would lose digits as they grow, and as corrections, which
    rounding moves least.
    """
    low = a.count_low + b.count_low
    carry = (low < a.count_low).astype(jnp.uint32)
    high = a.count_high + b.count_high + carry
    weight = b.count / jnp.maximum(a.count + b.count, 1.0)
    delta = b.mean - a.mean
    mean = a.mean + delta * weight
    var = a.var + weight * (b.var - a.var + (1.0 - weight) * jnp.square(delta))
    return RunningStats(high, low, mean, jnp.where(a.count + b.count > 0, var, a.var))


def normalise(
    stats: RunningStats, x: Shaped[Array, "..."], clip: float = 10.0
) -> Float[Array, "..."]:
    """(x - mean) / std, kept within +-clip; x itself while the count is 0."""
    return jnp.where(
        stats.count > 0,
        jnp.clip((x - stats.mean) * jax.lax.rsqrt(stats.var + 1e-8), -clip, clip),
        x,
    )
