"""The table of jokers turned on its side: a column of numbers for each thing that a joker can do."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from elsinore.envs.balatro.rules.jokers.joker import Card, Growth, Hand, Joker
from elsinore.envs.balatro.rules.jokers.table import JOKERS


class Effects(NamedTuple):
    """What jokers do while a hand is scored. One joker's are numbers; those of five are arrays [5]."""

    card: Card
    hand: Hand
    before: Growth
    after: Any


def _effects(joker: Joker) -> Effects:
    return Effects(joker.card, joker.hand, joker.before, joker.after)


def _column(*numbers: float) -> np.ndarray:
    column = np.array(numbers)
    return column.astype({"b": np.bool_, "i": np.int32, "f": np.float32}[column.dtype.kind])


COLUMNS: Effects = jax.tree.map(_column, *(_effects(joker) for joker in JOKERS))


def look_up(ids: Int[Array, "5"]) -> Effects:
    """The effects of five jokers: a gather for each column, so the cost does not grow with the table."""
    return jax.tree.map(lambda column: jnp.asarray(column)[ids], COLUMNS)
