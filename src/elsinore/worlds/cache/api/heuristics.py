"""Hand-written policies as baselines; each is a pure function of the observation.

`HEURISTICS[name](key, obs) -> action` for one environment; only `random` uses its key.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from elsinore.worlds.cache.api.acting import (
    ACTION_NAMES,
    CAUTIOUS,
    EVICT_LEAST,
    KEEP,
    MODERATE,
    NOTHING,
)
from elsinore.worlds.cache.api.observation import LARGE_OBJECT
from elsinore.worlds.cache.api.tables import TOP

HeuristicPolicy = Callable[[Key[Array, ""], Float[Array, "obs"]], Int[Array, ""]]

# Indices into the observation.
PROBABILITY, CACHED = slice(5, 5 + TOP), slice(45, 45 + TOP)
FULL, BACKLOG, WRITE, HIT, AGED, SIZE = 11, 23, 37, 38, 39, 40
# scales of the features at the default parameters: bytes and seconds
CAPACITY, CASCADE = 262_144.0, 2.5


def constant_policy(action: int) -> HeuristicPolicy:
    return lambda key, obs: jnp.int32(action)


def uniform_policy(key: Key[Array, ""], obs: Float[Array, "obs"]) -> Int[Array, ""]:
    return jax.random.randint(key, (), 0, len(ACTION_NAMES))


def rule_a(key: Key[Array, ""], obs: Float[Array, "obs"]) -> Int[Array, ""]:
    """Prefetch moderately where a likely object is missing; else refresh a hit past half its
    time."""
    return jnp.where(
        uncached_probability(obs).max() >= 0.5, MODERATE, refresh_if_aged(obs, NOTHING)
    )


def rule_b(key: Key[Array, ""], obs: Float[Array, "obs"]) -> Int[Array, ""]:
    """As A, but cautious while the backend is busy, and evicting the least promising when full."""
    likeliest = jnp.where(obs[CACHED][0] > 0, 0.0, obs[PROBABILITY][0])
    fetch = jnp.where(likeliest >= 0.7, CAUTIOUS, refresh_if_aged(obs, evict_if_full(obs)))
    calm = obs[BACKLOG] * CASCADE < 1.5
    return jnp.where(calm & (uncached_probability(obs).max() >= 0.5), MODERATE, fetch)


def uncached_probability(obs: Float[Array, "obs"]) -> Float[Array, "top"]:
    """Probabilities of the predictions, 0 for those that are cached."""
    return jnp.where(obs[CACHED] > 0, 0.0, obs[PROBABILITY])


def refresh_if_aged(obs: Float[Array, "obs"], otherwise: Int[Array, ""] | int) -> Int[Array, ""]:
    """KEEP for a hit past half its time to live, or the other action."""
    return jnp.where((obs[HIT] > 0) & (obs[AGED] >= 0.5), KEEP, otherwise)


def evict_if_full(obs: Float[Array, "obs"]) -> Int[Array, ""]:
    """EVICT_LEAST where a pending object does not fit, or NOTHING."""
    size = jnp.exp(obs[SIZE] * jnp.log(LARGE_OBJECT + 1)) - 1
    pending = (obs[WRITE] == 0) & (obs[HIT] == 0)
    return jnp.where(pending & (obs[FULL] * CAPACITY + size > CAPACITY), EVICT_LEAST, NOTHING)


HEURISTICS: dict[str, HeuristicPolicy] = {
    f"always {action}": constant_policy(action) for action in range(len(ACTION_NAMES))
} | {
    "random": uniform_policy,
    "rule A": rule_a,
    "rule B": rule_b,
}
