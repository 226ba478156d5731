"""The perfect player of tic-tac-toe, from the value of every position (negamax)."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int16, Key, PyTree

from elsinore.envs.rivals import Rival

CELLS = 9
NAMES = (  # of the cells
    *("top left", "top", "top right"),
    *("left", "centre", "right"),
    *("bottom left", "bottom", "bottom right"),
)
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))
DIGITS = 3 ** np.arange(CELLS)  # a position's number: 1 of the player to move, 2 of the other
Position = tuple[int, ...]


def best_move(key: Key[Array, ""], params: PyTree, obs: PyTree) -> Int[Array, ""]:
    """A move that keeps the value of the position, each such move as likely."""
    best = jnp.asarray(best_moves())[number_of(obs["board"])]
    keeps = (best >> jnp.arange(CELLS)) & 1 == 1
    allowed = jnp.where(keeps.any(), keeps, obs["action_mask"])
    return jax.random.categorical(key, jnp.where(allowed, 0.0, -jnp.inf))


PERFECT = Rival(best_move)


def number_of(board: Bool[Array, "3 3 2"]) -> Int[Array, ""]:
    """The number of a position as Pgx shows it: the player's own marks, then the other's."""
    marks = board.reshape(CELLS, 2).astype(jnp.int32)
    return jnp.sum((marks[:, 0] + 2 * marks[:, 1]) * jnp.asarray(DIGITS, jnp.int32))


@cache
def best_moves() -> Int16[np.ndarray, "position"]:
    """Bit i of a position's number: move i keeps its value; no bit of positions that are over or
    cannot arise."""
    table = np.zeros(3**CELLS, np.int16)

    @cache
    def value(position: Position) -> int:
        """1 where the player to move wins, 0 in a draw, -1 where it loses."""
        if any(all(position[i] == 2 for i in line) for line in LINES):
            return -1
        values = {i: -value(_after(position, i)) for i in range(CELLS) if position[i] == 0}
        best = max(values.values(), default=0)
        table[int(np.dot(position, DIGITS))] = sum(1 << i for i in values if values[i] == best)
        return best

    value((0,) * CELLS)
    return table


def _after(position: Position, move: int) -> Position:
    """The position after a move, as the other player sees it."""
    seen = [(0, 2, 1)[mark] for mark in position]
    seen[move] = 2
    return tuple(seen)
