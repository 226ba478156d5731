"""The slots of the jokers owned: filled from the left, without gaps."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.worlds.balatro.rules.game import JOKER_SLOTS, Jokers
from elsinore.worlds.balatro.rules.jokers import START
from elsinore.worlds.balatro.rules.money import SELL_PRICE

_SLOTS = np.arange(JOKER_SLOTS)


def num_owned(jokers: Jokers, joker: int) -> Int[Array, ""]:
    """The number of copies of a joker."""
    return jnp.sum(jokers.ids == joker)


def num_free(jokers: Jokers) -> Int[Array, ""]:
    """The number of empty slots."""
    return jnp.sum(jokers.ids == 0)


@jax.jit  # traced once for all callers
def keep_jokers(jokers: Jokers, stays: Bool[Array, "5"]) -> Jokers:
    """Remove the jokers that do not stay; the others close the gaps."""
    place = jnp.sum(jnp.where(_SLOTS[:, None] > _SLOTS, stays, False), axis=1)
    moves = stays & (place == _SLOTS[:, None])  # [to, from]
    return jax.tree.map(
        lambda row: jnp.sum(jnp.where(moves, row, 0), axis=1, dtype=row.dtype), jokers
    )


def place_of(slot: Int[Array, ""], stays: Bool[Array, "5"]) -> Int[Array, ""]:
    """The slot to which the joker of `slot` moves where those that do not stay are removed; -1 is
    none."""
    return slot - jnp.sum((slot > _SLOTS) & ~stays)


def add_joker(jokers: Jokers, joker: Int[Array, ""]) -> Jokers:
    """Add a joker at the right end; requires an empty slot."""
    new = JOKER_SLOTS - num_free(jokers) == _SLOTS
    gains = Jokers(joker, jnp.asarray(START)[joker], jnp.asarray(SELL_PRICE, jnp.int32)[joker])
    return jax.tree.map(lambda row, gain: jnp.where(new, gain, row), jokers, gains)


def add_to_counter(jokers: Jokers, joker: int, by: Float[Array, ""] | float) -> Jokers:
    """Add `by` to the counter of a joker."""
    return jokers._replace(state=jokers.state + jnp.where(jokers.ids == joker, by, 0.0))
