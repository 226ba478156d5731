"""Sets of cards as 52 bits, and drawing from them.

Bits stand in the order in which a hand lies on the table, rank down and then suit up, so a hand is sorted by being a
set. A draw pile is a set too: the next card is any of it with equal chance, which is what a shuffle means, and costs
a few operations on bits where sorting 52 random keys at every blind would cost more than all the rest of a step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from elsinore.envs.balatro.rules.cards import ACE, EMPTY, NUM_CARDS, RANKS, SUITS, rank_of, suit_of
from elsinore.envs.balatro.rules.chance import below, nth_bit

SLOTS = 8  # the most cards a hand can hold
_WORD = NUM_CARDS // 2  # bits in each of the two words of a set
_NOWHERE = NUM_CARDS  # the place of a card that is not there
_PLACE_OF_CARD = np.array([(ACE - card % 13) * 4 + card // 13 for card in range(NUM_CARDS)], np.int32)


class Cards(NamedTuple):
    """A set of cards. `a | b`, `a & b` and `a - b` are union, intersection and difference."""

    high: jax.Array  # uint32: aces to eights of hearts, the first half of the order on the table
    low: jax.Array  # uint32: the rest

    def __or__(self, other: "Cards") -> "Cards":
        return Cards(self.high | other.high, self.low | other.low)

    def __and__(self, other: "Cards") -> "Cards":
        return Cards(self.high & other.high, self.low & other.low)

    def __sub__(self, other: "Cards") -> "Cards":
        return Cards(self.high & ~other.high, self.low & ~other.low)


def no_cards() -> Cards:
    return Cards(jnp.uint32(0), jnp.uint32(0))


def all_cards() -> Cards:
    word = (1 << _WORD) - 1
    return Cards(jnp.uint32(word), jnp.uint32(word))


def where(condition: Bool[Array, ""], cards: Cards, others: Cards) -> Cards:
    return Cards(*(jnp.where(condition, a, b) for a, b in zip(cards, others, strict=True)))


def count(cards: Cards) -> Int[Array, ""]:
    """How many there are."""
    return sum(jax.lax.population_count(word).astype(jnp.int32) for word in cards)


def set_of(cards: Int[Array, "slot"]) -> Cards:
    """The set of some cards; empty slots (below 0) are left out."""
    place = place_of(cards)
    words = (_bit(place, place < _WORD), _bit(place - _WORD, (place >= _WORD) & (place < _NOWHERE)))
    return Cards(*(jax.lax.reduce_or(word, (0,)) for word in words))


def place_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Where a card lies in the order on the table, 0..51; an empty slot is nowhere, at 52."""
    return jnp.where(card < 0, _NOWHERE, (ACE - rank_of(card)) * len(SUITS) + suit_of(card))


def card_at(place: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The card that lies at a place, -1 at 52 and beyond."""
    card = (place & 3) * len(RANKS) + ACE - (place >> 2)
    return jnp.where(place >= _NOWHERE, EMPTY, card).astype(jnp.int8)


def slots_of(cards: Cards, num_slots: int = SLOTS) -> Int[Array, "slot"]:
    """The first `num_slots` cards of a set in order, -1 where there are no more."""
    places = []
    for _ in range(num_slots):
        place, cards = _take_first(cards)
        places.append(place)
    return card_at(jnp.stack(places))


def chosen(cards: Cards, slots: Int[Array, ""]) -> Cards:
    """Those of the first eight cards of a set whose bit is set in `slots`."""
    found = no_cards()
    for slot in range(SLOTS):
        first = Cards(_lowest_bit(cards.high), jnp.where(cards.high != 0, jnp.uint32(0), _lowest_bit(cards.low)))
        found = where((slots >> slot) & 1 == 1, found | first, found)
        cards = cards - first
    return found


def held(cards: Cards) -> Bool[Array, "52"]:
    """Which cards are in a set, by card."""
    high = np.where(_PLACE_OF_CARD < _WORD, 1 << _PLACE_OF_CARD % _WORD, 0).astype(np.uint32)
    low = np.where(_PLACE_OF_CARD < _WORD, 0, 1 << _PLACE_OF_CARD % _WORD).astype(np.uint32)
    return (cards.high & high | cards.low & low) != 0


def draw(key: Key[Array, ""], pile: Cards, wanted: Int[Array, ""], most: int = SLOTS) -> Cards:
    """`wanted` cards of the pile (`most` is known before), or all that are left, any of them with equal chance."""
    drawn, left = no_cards(), count(pile)
    for i, bits in enumerate(jax.random.bits(key, (most,), jnp.uint32)):
        card = nth(pile - drawn, below(bits, jnp.maximum(left - i, 0)))
        drawn = where(i < wanted, drawn | card, drawn)
    return drawn


def dealt(order: Int[Array, "52"], pile: Cards, wanted: Int[Array, ""]) -> Cards:
    """The next `wanted` cards of a deck whose order is known; `pile` is what is left of it."""
    turn = jnp.arange(NUM_CARDS) - (NUM_CARDS - count(pile))
    return set_of(jnp.where((turn >= 0) & (turn < wanted), order, -1))


def nth(cards: Cards, n: Int[Array, ""]) -> Cards:
    """The set of card number `n` (from 0) alone; empty where there are not so many."""
    in_high = jax.lax.population_count(cards.high).astype(jnp.int32)
    beyond = n >= in_high
    place = nth_bit(jnp.where(beyond, cards.low, cards.high), jnp.where(beyond, n - in_high, n))
    return Cards(_bit(place, ~beyond & (place < _WORD)), _bit(place, beyond & (place < _WORD)))


def _take_first(cards: Cards) -> tuple[Int[Array, ""], Cards]:
    """The place of the first card (52 or beyond if there is none), and the set without it."""
    high, low = cards
    in_high = high != 0
    place = jnp.where(in_high, _zeros_below(high), _WORD + _zeros_below(low))
    return place, Cards(high & (high - 1), jnp.where(in_high, low, low & (low - 1)))


def _lowest_bit(word: Int[Array, ""]) -> Int[Array, ""]:
    return word & (~word + 1)


def _zeros_below(word: Int[Array, ""]) -> Int[Array, ""]:
    """How many zeros stand below the lowest set bit; 32 for the word 0."""
    return jax.lax.population_count(~word & (word - 1)).astype(jnp.int32)


def _bit(place: Int[Array, "*slot"], there: Bool[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The word with only that bit, or 0 where it is not `there`."""
    return jnp.where(there, jnp.uint32(1) << jnp.where(there, place, 0).astype(jnp.uint32), jnp.uint32(0))
