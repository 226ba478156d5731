"""Poker hands: classification of the played cards, and the value of a type at its level.

The number of pairs of equal rank identifies the shape of one to five cards: a pair has 1, two pair
2, three of a kind 3, a full house 4, four of a kind 6, five of a kind 10. So classification is ten
comparisons and two bit unions without a sort, cheap enough for all 218 subsets of a hand.
"""

from functools import reduce
from itertools import combinations
from operator import and_, or_
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.balatro.rules.cards import EMPTY, rank_of, suit_of

HANDS = (
    "High Card", "Pair", "Two Pair", "Three of a Kind", "Straight", "Flush", "Full House",
    "Four of a Kind", "Straight Flush", "Five of a Kind", "Flush House", "Flush Five",
)  # fmt: skip
PLANETS = (
    "Pluto", "Mercury", "Uranus", "Venus", "Saturn", "Jupiter", "Earth", "Mars", "Neptune",
    "Planet X", "Ceres", "Eris",
)  # fmt: skip
NUM_HANDS = len(HANDS)
(
    HIGH_CARD, PAIR, TWO_PAIR, THREE, STRAIGHT, FLUSH, FULL_HOUSE, FOUR, STRAIGHT_FLUSH, FIVE,
    FLUSH_HOUSE, FLUSH_FIVE,
) = range(NUM_HANDS)  # fmt: skip

# The value of each type at level 1, and the increment of each further level.
BASE_CHIPS = np.array([5, 10, 20, 30, 30, 35, 40, 60, 100, 120, 140, 160], np.int32)
BASE_MULT = np.array([1, 2, 2, 3, 4, 4, 4, 7, 8, 12, 14, 16], np.int32)
LEVEL_CHIPS = np.array([10, 15, 20, 20, 30, 15, 25, 30, 40, 35, 40, 50], np.int32)
LEVEL_MULT = np.array([1, 1, 1, 2, 3, 2, 2, 3, 4, 3, 4, 3], np.int32)

_WHEEL = 1 << 12 | 0b1111  # ace, 2, 3, 4, 5 as bits of ranks
_WHOLE_HAND = sum(
    1 << kind
    for kind in (STRAIGHT, FLUSH, FULL_HOUSE, STRAIGHT_FLUSH, FIVE, FLUSH_HOUSE, FLUSH_FIVE)
)
_BY_PAIRS = {  # types contained, by number of pairs of equal rank; no straights and flushes
    0: (HIGH_CARD,),
    1: (HIGH_CARD, PAIR),
    2: (HIGH_CARD, PAIR, TWO_PAIR),
    3: (HIGH_CARD, PAIR, THREE),
    4: (HIGH_CARD, PAIR, TWO_PAIR, THREE, FULL_HOUSE),
    6: (HIGH_CARD, PAIR, THREE, FOUR),
    10: (HIGH_CARD, PAIR, THREE, FOUR, FIVE),
}
_FOUND_BY_PAIRS = np.array(
    [sum(1 << kind for kind in _BY_PAIRS.get(pairs, ())) for pairs in range(11)], np.int32
)


class Hand(NamedTuple):
    """The classification of some cards; debuffed cards count like any other."""

    type: Int[Array, ""]  # index of the best of HANDS
    # bit t: the cards contain HANDS[t], as jokers count (a full house contains a pair)
    found: Int[Array, ""]
    scoring: Bool[Array, "5"]  # the cards of the type, without Splash

    @property
    def contains(self) -> Bool[Array, "*batch 12"]:
        """`found` as an array."""
        return (self.found[..., None] >> jnp.arange(NUM_HANDS)) & 1 == 1


def classify(cards: Int[Array, "5"]) -> Hand:
    """Classify one to five cards; empty slots (-1) may be anywhere."""
    # separate scalars: reductions over an axis of five are four times slower
    slots = [cards[slot] for slot in range(5)]
    filled = [card != EMPTY for card in slots]
    rank, suit = [rank_of(card) for card in slots], [suit_of(card) for card in slots]
    pair_of = {(i, j): (rank[i] == rank[j]) & filled[i] for i, j in combinations(range(5), 2)}
    pairs = sum(pair.astype(jnp.int32) for pair in pair_of.values())
    found = _found(pairs, _straight(rank, filled), _flush(suit, filled))
    kind = 31 - jax.lax.clz(found)  # types are in ascending order of value
    matched = [
        reduce(or_, (same for pair, same in pair_of.items() if slot in pair)) for slot in range(5)
    ]
    makes_it = jnp.where(
        kind == HIGH_CARD, rank_of(cards) == reduce(jnp.maximum, rank), jnp.stack(matched)
    )
    return Hand(kind, found, (cards != EMPTY) & (makes_it | (_WHOLE_HAND >> kind & 1 == 1)))


def hand_value(
    kind: Int[Array, ""], level: Int[Array, ""]
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Base chips and mult of a hand type at a level (>= 1)."""
    ups = level - 1
    chips = jnp.asarray(BASE_CHIPS)[kind] + ups * jnp.asarray(LEVEL_CHIPS)[kind]
    mult = jnp.asarray(BASE_MULT)[kind] + ups * jnp.asarray(LEVEL_MULT)[kind]
    return chips, mult


def _straight(rank: list[Int[Array, ""]], filled: list[Bool[Array, ""]]) -> Bool[Array, ""]:
    """True for five consecutive ranks, the ace low or high, without wrapping."""
    ranks = reduce(
        or_, (jnp.where(is_card, 1 << r, 0) for r, is_card in zip(rank, filled, strict=True))
    )
    lowest = ranks & -ranks
    return (ranks == lowest * 0b11111) & (ranks != 0) | (ranks == _WHEEL)


def _flush(suit: list[Int[Array, ""]], filled: list[Bool[Array, ""]]) -> Bool[Array, ""]:
    """True for five cards of one suit."""
    suits = reduce(
        and_, (jnp.where(is_card, 1 << s, 0) for s, is_card in zip(suit, filled, strict=True))
    )
    return suits != 0


def _found(
    pairs: Int[Array, ""], straight: Bool[Array, ""], flush: Bool[Array, ""]
) -> Int[Array, ""]:
    """The bits of all types contained in cards with that many pairs of equal rank."""
    found = jnp.asarray(_FOUND_BY_PAIRS)[pairs]
    found |= jnp.where(straight, 1 << STRAIGHT, 0) | jnp.where(flush, 1 << FLUSH, 0)
    both = {STRAIGHT_FLUSH: straight, FLUSH_HOUSE: pairs == 4, FLUSH_FIVE: pairs == 10}
    for kind, other in both.items():
        found |= jnp.where(flush & other, 1 << kind, 0)
    return found
