"""The three blinds of each ante: targets, rewards, and the draw of the boss."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from elsinore.jaxtools.integers import remainder
from elsinore.worlds.balatro.rules.bosses import FACTOR, FINISHER, MIN_ANTE

SMALL_BLIND, BIG_BLIND, BOSS_BLIND = range(3)
BLINDS = ("Small Blind", "Big Blind", "Boss Blind")
LAST_ANTE = 8  # of a full run
HIGHEST_ANTE = 12  # the last whose boss needs less than 2^31 chips


_REWARD = np.array([3, 4, 5], np.int32)
_FINISHER_REWARD = 8
_FINISHER_PERIOD = 8  # antes


def base_requirement(ante: int) -> int:
    """Chips of an ante at factor 1, from the game's table and, beyond it, its formula."""
    table = (100, 300, 800, 2_000, 5_000, 11_000, 20_000, 35_000, 50_000)
    if ante < len(table):
        return table[max(ante, 0)]
    beyond = ante - LAST_ANTE
    exact = math.floor(table[-1] * (1.6 + (0.75 * beyond) ** (1 + 0.2 * beyond)) ** beyond)
    return exact - exact % 10 ** (math.floor(math.log10(exact)) - 1)  # two leading digits


_BASE = np.array([base_requirement(ante) for ante in range(HIGHEST_ANTE + 1)], np.int32)


def target(ante: Int[Array, ""], kind: Int[Array, ""], boss: Int[Array, ""]) -> Int[Array, ""]:
    """Chips that beat a blind; antes above 12 count as 12."""
    base = jnp.asarray(_BASE)[jnp.clip(ante, 0, HIGHEST_ANTE)]
    boss_target = base * jnp.asarray(FACTOR)[boss]
    return jnp.where(
        kind == SMALL_BLIND, base, jnp.where(kind == BIG_BLIND, base + (base >> 1), boss_target)
    )


def reward(kind: Int[Array, ""], boss: Int[Array, ""]) -> Int[Array, ""]:
    """Dollars for beating a blind."""
    finisher = (kind == BOSS_BLIND) & jnp.asarray(FINISHER)[boss]
    return jnp.where(finisher, _FINISHER_REWARD, jnp.asarray(_REWARD)[kind])


def draw_boss(
    key: Key[Array, ""], ante: Int[Array, ""], uses: Int[Array, "boss"], enabled: np.ndarray
) -> tuple[Int[Array, ""], Int[Array, "boss"]]:
    """Draw one of the least used bosses that an ante allows; also returns the updated uses."""
    finale = (ante > 0) & (remainder(ante, _FINISHER_PERIOD) == 0)
    may_come = (finale == FINISHER) & (ante >= MIN_ANTE) & enabled
    least = jnp.min(jnp.where(may_come, uses, jnp.iinfo(uses.dtype).max))
    chance = jnp.where(may_come & (uses == least), jax.random.uniform(key, uses.shape), -1.0)
    boss = jnp.argmax(chance).astype(jnp.int32)
    return boss, uses + (jnp.arange(uses.size) == boss)
