"""The jokers as data: names, prices, and the jokers that a game may have."""

from collections.abc import Iterable

import numpy as np

from elsinore.worlds.balatro.rules.jokers.table import JOKERS
from elsinore.worlds.balatro.rules.names import enabled_by_name
from elsinore.worlds.balatro.rules.stages import Stage

NUM_JOKERS = len(JOKERS)  # with "none"
JOKER_NAMES = tuple(joker.name for joker in JOKERS)
RARITY = np.array([joker.rarity for joker in JOKERS], np.int32)
COST = np.array([joker.cost for joker in JOKERS], np.int32)  # dollars
START = np.array([joker.start for joker in JOKERS], np.float32)  # of the counter
OF_CHANCE = np.array([joker.of_chance for joker in JOKERS])


def joker_id(name: str) -> int:
    """The id of a joker, from its name in the table."""
    return JOKER_NAMES.index(name)


def enabled_jokers(choice: Iterable[str | int] | None, stage: int) -> np.ndarray:
    """Jokers that a game of a stage may have, bool [NUM_JOKERS], by name or number; None: all.

    Raises:
        ValueError: for an unknown joker, one of a later stage, or none at a stage that sells them.
    """
    needed = np.where(OF_CHANCE, Stage.CHANCE, Stage.JOKERS)
    enabled = enabled_by_name("jokers", choice, JOKER_NAMES)
    if choice is None:
        return enabled & (needed <= stage)
    for joker in np.flatnonzero(enabled & (needed > stage)):
        raise ValueError(
            f"jokers has {JOKER_NAMES[joker]!r}, which stage={stage} does not have; use"
            f" stage={needed[joker]}, or drop it."
        )
    if stage >= Stage.JOKERS and not enabled.any():
        raise ValueError(
            f"jokers={choice!r} leaves the shops of stage={stage} without jokers; name at least"
            " one, or use stage=1."
        )
    return enabled
