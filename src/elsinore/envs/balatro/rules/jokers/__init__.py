"""The jokers as data: names, prices, and which of them a game may hold."""

from collections.abc import Iterable

import numpy as np

from elsinore.envs.balatro.rules import stages
from elsinore.envs.balatro.rules.jokers.table import JOKERS
from elsinore.envs.balatro.rules.names import chosen

NUM_JOKERS = len(JOKERS)  # with "none"
JOKER_NAMES = tuple(joker.name for joker in JOKERS)
RARITY = np.array([joker.rarity for joker in JOKERS], np.int32)
COST = np.array([joker.cost for joker in JOKERS], np.int32)  # dollars
START = np.array([joker.start for joker in JOKERS], np.float32)  # of the counter
OF_CHANCE = np.array([joker.of_chance for joker in JOKERS])


def joker_id(name: str) -> int:
    """The number of a joker, from its name as the table has it."""
    return JOKER_NAMES.index(name)


def enabled_jokers(choice: Iterable[str | int] | None, stage: int) -> np.ndarray:
    """Which jokers a game at this stage may hold, bool [NUM_JOKERS], from names or numbers; None means all it can.

    Raises:
        ValueError: naming a joker that is unknown, or that needs a later stage; for none at a stage that sells them.
    """
    needed = np.where(OF_CHANCE, stages.CHANCE, stages.JOKERS)
    enabled = chosen("jokers", choice, JOKER_NAMES)
    if choice is None:
        return enabled & (needed <= stage)
    for joker in np.flatnonzero(enabled & (needed > stage)):
        raise ValueError(
            f"jokers has {JOKER_NAMES[joker]!r}, which stage={stage} has not; use stage={needed[joker]}, or drop it."
        )
    if stage >= stages.JOKERS and not enabled.any():
        raise ValueError(
            f"jokers={choice!r} leaves the shops of stage={stage} without any; name at least one, or use stage=1."
        )
    return enabled
