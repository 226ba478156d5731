"""The row of jokers that a player owns: from left to right, without gaps."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.rules.game import JOKER_SLOTS, Jokers
from elsinore.envs.balatro.rules.jokers import START
from elsinore.envs.balatro.rules.money import SELL

_SLOTS = np.arange(JOKER_SLOTS)


def owned(jokers: Jokers, joker: int) -> Int[Array, ""]:
    """How many of that joker there are."""
    return jnp.sum(jokers.ids == joker)


def free(jokers: Jokers) -> Int[Array, ""]:
    """Empty slots."""
    return jnp.sum(jokers.ids == 0)


@jax.jit  # traced once for all the ways a joker goes
def kept(jokers: Jokers, stays: Bool[Array, "5"]) -> Jokers:
    """Those that stay, moved left over the gaps."""
    place = jnp.sum(jnp.where(_SLOTS[:, None] > _SLOTS, stays, False), axis=1)
    moves = stays & (place == _SLOTS[:, None])  # [to, from]
    return jax.tree.map(lambda row: jnp.sum(jnp.where(moves, row, 0), axis=1, dtype=row.dtype), jokers)


def bought(jokers: Jokers, joker: Int[Array, ""]) -> Jokers:
    """With one more at the right end; there must be room."""
    new = JOKER_SLOTS - free(jokers) == _SLOTS
    gains = Jokers(joker, jnp.asarray(START)[joker], jnp.asarray(SELL, jnp.int32)[joker])
    return jax.tree.map(lambda row, gain: jnp.where(new, gain, row), jokers, gains)


def grown(jokers: Jokers, joker: int, by: Float[Array, ""] | float) -> Jokers:
    """With the counter of that joker raised."""
    return jokers._replace(state=jokers.state + jnp.where(jokers.ids == joker, by, 0.0))
