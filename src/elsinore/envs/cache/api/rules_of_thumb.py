"""Policies that nobody had to learn: what a learned one must beat. Each is a pure function of what the agent sees.

`RULES[name](key, obs) -> action`, for one world; only `random` draws from its key.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from elsinore.envs.cache.api.acting import CAUTIOUS, EVICT_LEAST, KEEP, MODERATE, NAMES, NOTHING
from elsinore.envs.cache.api.tables import TOP

Rule = Callable[[Key[Array, ""], Float[Array, "obs"]], Int[Array, ""]]

# Where the numbers stand that the rules ask about, in the observation.
PROBABILITY, CACHED = slice(5, 5 + TOP), slice(45, 45 + TOP)
FULL, BACKLOG, WRITE, HIT, AGED, SIZE = 11, 23, 37, 38, 39, 40
LARGE = 65_537.0  # 1 + bytes at which the size feature is 1
CAPACITY, CASCADE = 262_144.0, 2.5  # bytes and seconds that the features are fractions of, at the default parameters


def always(action: int) -> Rule:
    return lambda key, obs: jnp.int32(action)


def random(key: Key[Array, ""], obs: Float[Array, "obs"]) -> Int[Array, ""]:
    return jax.random.randint(key, (), 0, len(NAMES))


def rule_a(key: Key[Array, ""], obs: Float[Array, "obs"]) -> Int[Array, ""]:
    """Fetch ahead where something likely is missing; else refresh what was found at half its time."""
    return jnp.where(missing(obs).max() >= 0.5, MODERATE, refreshed(obs, NOTHING))


def rule_b(key: Key[Array, ""], obs: Float[Array, "obs"]) -> Int[Array, ""]:
    """As A, but cautious while the backend is busy, and rather without the least promising than without room."""
    likeliest = jnp.where(obs[CACHED][0] > 0, 0.0, obs[PROBABILITY][0])
    fetch = jnp.where(likeliest >= 0.7, CAUTIOUS, refreshed(obs, waiting(obs)))
    calm = obs[BACKLOG] * CASCADE < 1.5
    return jnp.where(calm & (missing(obs).max() >= 0.5), MODERATE, fetch)


def missing(obs: Float[Array, "obs"]) -> Float[Array, "top"]:
    """The probabilities of the predictions that are not cached, 0 of those that are."""
    return jnp.where(obs[CACHED] > 0, 0.0, obs[PROBABILITY])


def refreshed(obs: Float[Array, "obs"], otherwise: Int[Array, ""] | int) -> Int[Array, ""]:
    """Keep the answer that was found, if half its time is over."""
    return jnp.where((obs[HIT] > 0) & (obs[AGED] >= 0.5), KEEP, otherwise)


def waiting(obs: Float[Array, "obs"]) -> Int[Array, ""]:
    """Evict the least promising where a pending answer does not fit."""
    size = jnp.exp(obs[SIZE] * jnp.log(LARGE)) - 1
    pending = (obs[WRITE] == 0) & (obs[HIT] == 0)
    return jnp.where(pending & (obs[FULL] * CAPACITY + size > CAPACITY), EVICT_LEAST, NOTHING)


RULES: dict[str, Rule] = {f"always {action}": always(action) for action in range(len(NAMES))} | {
    "random": random,
    "rule A": rule_a,
    "rule B": rule_b,
}
