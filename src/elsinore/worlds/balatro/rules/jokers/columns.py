"""The table of jokers as columns, one array for each field of an effect."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from elsinore.worlds.balatro.rules.jokers.joker import CardEffect, Growth, HandEffect, Joker
from elsinore.worlds.balatro.rules.jokers.table import JOKERS


class Effects(NamedTuple):
    """Effects of jokers in scoring: numbers for one joker, arrays [5] for five."""

    card: CardEffect
    hand: HandEffect
    before: Growth
    after: Any


def _effects(joker: Joker) -> Effects:
    return Effects(joker.card, joker.hand, joker.before, joker.after)


def _column(*numbers: bool | int | float) -> np.ndarray:
    column = np.array(numbers)
    return column.astype({"b": np.bool_, "i": np.int32, "f": np.float32}[column.dtype.kind])


_COLUMNS: Effects = jax.tree.map(_column, *(_effects(joker) for joker in JOKERS))


def look_up(ids: Int[Array, "5"]) -> Effects:
    """Gather the effects of five jokers; the cost does not grow with the table."""
    return jax.tree.map(lambda column: jnp.asarray(column)[ids], _COLUMNS)
