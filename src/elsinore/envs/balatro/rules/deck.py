"""Sets of cards as 52 bits, and drawing from them.

Bits stand in the order in which a hand lies on the table, rank down and then suit up, so a hand is sorted by being a
set. A draw pile is a set too: the next card is any of it with equal chance, which is what a shuffle means, and costs
a few operations on bits where sorting 52 random keys at every blind would cost more than all the rest of a step.
"""

from functools import reduce
from operator import or_
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from elsinore.envs.balatro.rules.cards import ACE, EMPTY, NUM_CARDS, RANKS, SUITS, rank_of, suit_of
from elsinore.envs.balatro.rules.chance import below, nth_bit
from elsinore.ops.once import once

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
    return _union(_at(place_of(cards)))


def place_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Where a card lies in the order on the table, 0..51; an empty slot is nowhere, at 52."""
    return jnp.where(card < 0, _NOWHERE, (ACE - rank_of(card)) * len(SUITS) + suit_of(card))


def card_at(place: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The card that lies at a place, -1 at 52 and beyond."""
    card = (place & 3) * len(RANKS) + ACE - (place >> 2)
    return jnp.where(place >= _NOWHERE, EMPTY, card).astype(jnp.int8)


def slots_of(cards: Cards, num_slots: int = SLOTS) -> Int[Array, "slot"]:
    """The first `num_slots` cards of a set in order, -1 where there are no more."""
    return once(card_at(_place_of_nth(cards, jnp.arange(num_slots))))


def chosen(cards: Cards, slots: Int[Array, ""]) -> Cards:
    """Those of the first eight cards of a set whose bit is set in `slots`."""
    slot = jnp.arange(SLOTS)
    return _union(nth(cards, jnp.where((slots >> slot) & 1 == 1, slot, _NOWHERE)))


def held(cards: Cards) -> Bool[Array, "52"]:
    """Which cards are in a set, by card."""
    high = np.where(_PLACE_OF_CARD < _WORD, 1 << _PLACE_OF_CARD % _WORD, 0).astype(np.uint32)
    low = np.where(_PLACE_OF_CARD < _WORD, 0, 1 << _PLACE_OF_CARD % _WORD).astype(np.uint32)
    return (cards.high & high | cards.low & low) != 0


def draw(key: Key[Array, ""], pile: Cards, wanted: Int[Array, ""], most: int = SLOTS) -> Cards:
    """`wanted` cards of the pile (`most` is known before), or all that are left, any of them with equal chance.

    Each turn may take one card more than the turn before, and takes that one if it aims at a card that is gone
    (Floyd's sampling: Bentley, "Programming Pearls", Communications of the ACM 30(9), 1987).
    """
    left = count(pile)
    wanted = jnp.minimum(wanted, left)
    turn = jnp.arange(most)
    last = left - wanted + turn
    aimed = below(jax.random.bits(key, (most,), jnp.uint32), last + 1)
    taken = []
    for i in range(most):
        gone = [aimed[i] == other for other in taken]
        taken.append(jnp.where(reduce(or_, gone, False), last[i], aimed[i]))
    return _union(nth(pile, jnp.where(turn < wanted, jnp.stack(taken), _NOWHERE)))


def dealt(order: Int[Array, "52"], pile: Cards, wanted: Int[Array, ""]) -> Cards:
    """The next `wanted` cards of a deck whose order is known; `pile` is what is left of it."""
    turn = jnp.arange(NUM_CARDS) - (NUM_CARDS - count(pile))
    return set_of(jnp.where((turn >= 0) & (turn < wanted), order, -1))


def nth(cards: Cards, n: Int[Array, "*slot"]) -> Cards:
    """The set of card number `n` (from 0) alone, for each `n`; empty where there are not so many."""
    return _at(_place_of_nth(cards, n))


def _place_of_nth(cards: Cards, n: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Where card number `n` of a set lies in the order on the table; at 52 or beyond if there are not so many."""
    in_high = jax.lax.population_count(cards.high).astype(jnp.int32)
    in_low = n >= in_high
    place = nth_bit(jnp.where(in_low, cards.low, cards.high), jnp.where(in_low, n - in_high, n))
    return jnp.where(in_low, _WORD + place, place)


def _at(place: Int[Array, "*slot"]) -> Cards:
    """The set of the card at a place alone, for each place; empty at 52 and beyond."""
    in_low = place >= _WORD
    return Cards(_bit(place, ~in_low), _bit(place - _WORD, in_low & (place < _NOWHERE)))


def _union(sets: Cards) -> Cards:
    """All the sets as one."""
    return Cards(*(jax.lax.reduce_or(word, (0,)) for word in sets))


def _bit(place: Int[Array, "*slot"], there: Bool[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The word with only that bit, or 0 where it is not `there`."""
    return jnp.where(there, jnp.uint32(1) << jnp.where(there, place, 0).astype(jnp.uint32), jnp.uint32(0))
