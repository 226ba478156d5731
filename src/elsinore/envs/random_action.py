"""Random actions of any space, drawn without gymnax, whose import takes seconds."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

LARGE = 1.5e38  # bounds beyond it are as good as none: their range overflows float32


def random_action(space: Any, key: Key[Array, ""]) -> Array:
    """A random action: `space.sample(key)`, but for the numbers of a Box without two finite bounds,
    whose uniform sample is NaN. Those are normal, on the side of the one bound that there is."""
    drawn = space.sample(key)
    if type(space).__name__ != "Box" or not jnp.issubdtype(drawn.dtype, jnp.floating):
        return drawn
    low, high = jnp.asarray(space.low, drawn.dtype), jnp.asarray(space.high, drawn.dtype)
    normal = jax.random.normal(key, drawn.shape, drawn.dtype)
    has_low, has_high = low > -LARGE, high < LARGE
    half = jnp.where(has_low, low + jnp.abs(normal), high - jnp.abs(normal))
    without = jnp.clip(jnp.where(has_low | has_high, half, normal), low, high)
    return jnp.where(jnp.isfinite(high - low), drawn, without)
