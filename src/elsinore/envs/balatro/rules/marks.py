"""What a joker may look for in a card, one bit each, so that any condition of any joker is one `and` with its mask.

A card that does not act (debuffed, not scoring, an empty slot) has no marks.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.envs.balatro.rules.cards import CLUB, DIAMOND, HEART, JACK, KING, QUEEN, SPADE, rank_of, suit_of

_SUITS_FROM = 13


def ranks(*names: int) -> int:
    """The mask of some ranks, 0..12."""
    return sum(1 << rank for rank in names)


def suits(*names: int) -> int:
    """The mask of some suits, 0..3."""
    return sum(1 << _SUITS_FROM + suit for suit in names)


def _pips(*pips: int) -> int:
    return ranks(*(pip - 2 for pip in pips))


FACES = ranks(JACK, QUEEN, KING)
ACES = ranks(12)
EVEN, ODD, LOW = _pips(2, 4, 6, 8, 10), _pips(3, 5, 7, 9) | ACES, _pips(2, 3, 4, 5)
TWOS, FIBONACCI, TENS_AND_FOURS = _pips(2), _pips(2, 3, 5, 8) | ACES, _pips(10, 4)
SPADES, HEARTS, CLUBS, DIAMONDS = (suits(suit) for suit in (SPADE, HEART, CLUB, DIAMOND))
SUITS = suits(SPADE, HEART, CLUB, DIAMOND)
# Of scoring cards:
FIRST_FACE, FIRST_CARD, ANCIENT_SUIT, SCORED, SCORED_LAST = (1 << bit for bit in range(17, 22))
# Of cards held in hand, which have none of the marks above:
HELD, HELD_QUEEN, HELD_KING, HELD_LOWEST = (1 << bit for bit in range(22, 26))


def of_card(cards: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The marks of rank and suit; those of an empty slot mean nothing."""
    return 1 << jnp.maximum(rank_of(cards), 0) | 1 << _SUITS_FROM + suit_of(cards)


def of_scored(
    cards: Int[Array, "5"],
    scoring: Bool[Array, "5"],
    acts: Bool[Array, "5"],
    ancient_suit: Int[Array, ""],
    last_hand: Bool[Array, ""],
) -> Int[Array, "5"]:
    """The marks of the played cards. Of the scoring ones some may not act; `ancient_suit` is -1 when there is none."""
    card = of_card(cards)
    face = acts & (card & FACES != 0)
    marks = card | SCORED
    marks |= jnp.where(last_hand, SCORED_LAST, 0)
    marks |= jnp.where(_first(scoring), FIRST_CARD, 0)
    marks |= jnp.where(_first(face), FIRST_FACE, 0)
    marks |= jnp.where(suit_of(cards) == ancient_suit, ANCIENT_SUIT, 0)
    return jnp.where(acts, marks, 0)


def of_held(cards: Int[Array, "8"], debuffed: Bool[Array, "8"]) -> Int[Array, "8"]:
    """The marks of the cards held in hand. The lowest is the last of the lowest rank, even if it is debuffed."""
    filled, rank = cards >= 0, rank_of(cards)
    lowest = rank == jnp.where(filled, rank, 13).min()
    last_lowest = _first(lowest[::-1])[::-1]
    marks = HELD | jnp.where(rank == QUEEN, HELD_QUEEN, 0) | jnp.where(rank == KING, HELD_KING, 0)
    marks |= jnp.where(last_lowest, HELD_LOWEST, 0)
    return jnp.where(filled & ~debuffed, marks, 0)


def _first(flags: Bool[Array, "slot"]) -> Bool[Array, "slot"]:
    """The leftmost true flag alone."""
    return flags & (jnp.cumsum(flags) == 1)
