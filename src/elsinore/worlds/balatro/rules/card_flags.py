"""Card properties as bit flags, so that each joker's condition on a card is one `and` with a mask.

A card without effect (debuffed, not scoring, an empty slot) has no flags.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from elsinore.worlds.balatro.rules.cards import (
    CLUB,
    DIAMOND,
    HEART,
    JACK,
    KING,
    QUEEN,
    SPADE,
    rank_of,
    suit_of,
)

_SUITS_FROM = 13


def rank_mask(*names: int) -> int:
    """The mask of some ranks, 0..12."""
    return sum(1 << rank for rank in names)


def suit_mask(*names: int) -> int:
    """The mask of some suits, 0..3."""
    return sum(1 << _SUITS_FROM + suit for suit in names)


def _pips(*pips: int) -> int:
    return rank_mask(*(pip - 2 for pip in pips))


FACES = rank_mask(JACK, QUEEN, KING)
ACES = rank_mask(12)
EVEN, ODD, LOW_RANK = _pips(2, 4, 6, 8, 10), _pips(3, 5, 7, 9) | ACES, _pips(2, 3, 4, 5)
TWOS, FIBONACCI, TENS_AND_FOURS = _pips(2), _pips(2, 3, 5, 8) | ACES, _pips(10, 4)
SPADES, HEARTS, CLUBS, DIAMONDS = (suit_mask(suit) for suit in (SPADE, HEART, CLUB, DIAMOND))
ANY_SUIT = suit_mask(SPADE, HEART, CLUB, DIAMOND)
# Of scoring cards:
FIRST_FACE, FIRST_CARD, ANCIENT_SUIT, SCORED, SCORED_LAST = (1 << bit for bit in range(17, 22))
# Of cards held in hand, which have none of the flags above:
HELD_CARD, HELD_QUEEN, HELD_KING, HELD_LOWEST = (1 << bit for bit in range(22, 26))


def of_card(cards: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Flags of rank and suit; undefined for an empty slot."""
    return 1 << jnp.maximum(rank_of(cards), 0) | 1 << _SUITS_FROM + suit_of(cards)


def of_scored(
    cards: Int[Array, "5"],
    scoring: Bool[Array, "5"],
    acts: Bool[Array, "5"],
    ancient_suit: Int[Array, ""],
    last_hand: Bool[Array, ""],
) -> Int[Array, "5"]:
    """Flags of the played cards; `acts`: scoring and not debuffed; `ancient_suit` -1: none."""
    card = of_card(cards)
    face = acts & (card & FACES != 0)
    flags = card | SCORED
    flags |= jnp.where(last_hand, SCORED_LAST, 0)
    flags |= jnp.where(_first(scoring), FIRST_CARD, 0)
    flags |= jnp.where(_first(face), FIRST_FACE, 0)
    flags |= jnp.where(suit_of(cards) == ancient_suit, ANCIENT_SUIT, 0)
    return jnp.where(acts, flags, 0)


def of_held(cards: Int[Array, "8"], debuffed: Bool[Array, "8"]) -> Int[Array, "8"]:
    """Flags of the cards held in hand. HELD_LOWEST is the last of the lowest rank, even if
    debuffed."""
    filled, rank = cards >= 0, rank_of(cards)
    lowest = rank == jnp.where(filled, rank, 13).min()
    last_lowest = _first(lowest[::-1])[::-1]
    flags = (
        HELD_CARD | jnp.where(rank == QUEEN, HELD_QUEEN, 0) | jnp.where(rank == KING, HELD_KING, 0)
    )
    flags |= jnp.where(last_lowest, HELD_LOWEST, 0)
    return jnp.where(filled & ~debuffed, flags, 0)


def _first(flags: Bool[Array, "slot"]) -> Bool[Array, "slot"]:
    """Only the leftmost True."""
    return flags & (jnp.cumsum(flags) == 1)
