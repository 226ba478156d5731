"""Sets of cards as 52 bits, and drawing from them.

Bits are in table order: rank descending, then suit ascending, so a hand as a set is sorted. A draw
pile is a set too: each draw takes any of its cards with equal probability, as from a shuffled deck.
That takes a few bit operations; sorting 52 random keys at every blind takes more than the rest of a
step.
"""

from functools import reduce
from operator import or_
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Key, UInt32

from elsinore.jaxtools.barrier import barrier
from elsinore.worlds.balatro.rules.cards import (
    ACE,
    EMPTY,
    NUM_CARDS,
    RANKS,
    SUITS,
    rank_of,
    suit_of,
)
from elsinore.worlds.balatro.rules.sampling import below, nth_bit

HAND_SLOTS = 8  # the most cards a hand can hold
_WORD = NUM_CARDS // 2  # bits in each of the two words of a set
_NO_POSITION = NUM_CARDS  # the position of an empty slot
_POSITION_OF_CARD = np.array(
    [(ACE - card % 13) * 4 + card // 13 for card in range(NUM_CARDS)], np.int32
)


class CardSet(NamedTuple):
    """A set of cards. `a | b`, `a & b` and `a - b` are union, intersection and difference."""

    high: UInt32[Array, "..."]  # aces to eights of hearts, the first half in table order
    low: UInt32[Array, "..."]  # the other half

    def __or__(self, other: "CardSet") -> "CardSet":
        return CardSet(self.high | other.high, self.low | other.low)

    def __and__(self, other: "CardSet") -> "CardSet":
        return CardSet(self.high & other.high, self.low & other.low)

    def __sub__(self, other: "CardSet") -> "CardSet":
        return CardSet(self.high & ~other.high, self.low & ~other.low)


def no_cards() -> CardSet:
    return CardSet(jnp.uint32(0), jnp.uint32(0))


def all_cards() -> CardSet:
    word = (1 << _WORD) - 1
    return CardSet(jnp.uint32(word), jnp.uint32(word))


def select(condition: Bool[Array, ""], cards: CardSet, others: CardSet) -> CardSet:
    return CardSet(*(jnp.where(condition, a, b) for a, b in zip(cards, others, strict=True)))


def count(cards: CardSet) -> Int[Array, ""]:
    """The number of cards."""
    return sum(jax.lax.population_count(word).astype(jnp.int32) for word in cards)


def set_of(cards: Int[Array, "slot"]) -> CardSet:
    """The set of some cards; empty slots (below 0) are left out."""
    return _union(_at(position_of(cards)))


def position_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Positions in table order, 0..51; 52 for an empty slot."""
    return jnp.where(card < 0, _NO_POSITION, (ACE - rank_of(card)) * len(SUITS) + suit_of(card))


def card_at(position: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The card ids at positions in table order; -1 at 52 and beyond."""
    card = (position & 3) * len(RANKS) + ACE - (position >> 2)
    return jnp.where(position >= _NO_POSITION, EMPTY, card).astype(jnp.int8)


def slots_of(cards: CardSet, num_slots: int = HAND_SLOTS) -> Int[Array, "slot"]:
    """The first `num_slots` card ids of a set in table order, then -1."""
    return barrier(card_at(_position_of_nth(cards, jnp.arange(num_slots))))


def cards_in_slots(cards: CardSet, slots: Int[Array, ""]) -> CardSet:
    """The cards in the slots (of the first eight) whose bits are set in `slots`."""
    slot = jnp.arange(HAND_SLOTS)
    return _union(nth(cards, jnp.where((slots >> slot) & 1 == 1, slot, _NO_POSITION)))


def held(cards: CardSet) -> Bool[Array, "52"]:
    """True for each card id in the set."""
    high = np.where(_POSITION_OF_CARD < _WORD, 1 << _POSITION_OF_CARD % _WORD, 0).astype(np.uint32)
    low = np.where(_POSITION_OF_CARD < _WORD, 0, 1 << _POSITION_OF_CARD % _WORD).astype(np.uint32)
    return (cards.high & high | cards.low & low) != 0


def draw_from(
    key: Key[Array, ""], pile: CardSet, wanted: Int[Array, ""], most: int = HAND_SLOTS
) -> CardSet:
    """Draw `wanted` cards of the pile without replacement, or all that are left; at most `most`.

    Turn i aims at one of the first n - k + i + 1 cards (n in the pile, k wanted), and takes the
    last of these if the aimed one is taken (Floyd's sampling: Bentley, "Programming Pearls",
    Communications of the ACM 30(9), 1987).
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
    return _union(nth(pile, jnp.where(turn < wanted, jnp.stack(taken), _NO_POSITION)))


def dealt(order: Int[Array, "52"], pile: CardSet, wanted: Int[Array, ""]) -> CardSet:
    """The next `wanted` cards of a deck in a given order; `pile` are the cards left of it."""
    turn = jnp.arange(NUM_CARDS) - (NUM_CARDS - count(pile))
    return set_of(jnp.where((turn >= 0) & (turn < wanted), order, -1))


def nth(cards: CardSet, n: Int[Array, "*slot"]) -> CardSet:
    """For each `n`, the set of only the n-th card (from 0); empty if there are fewer."""
    return _at(_position_of_nth(cards, n))


def _position_of_nth(cards: CardSet, n: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The position of the n-th card of a set; 52 or more if there are fewer."""
    in_high = jax.lax.population_count(cards.high).astype(jnp.int32)
    in_low = n >= in_high
    position = nth_bit(jnp.where(in_low, cards.low, cards.high), jnp.where(in_low, n - in_high, n))
    return jnp.where(in_low, _WORD + position, position)


def _at(position: Int[Array, "*slot"]) -> CardSet:
    """For each position, the set of only its card; empty at 52 and beyond."""
    in_low = position >= _WORD
    return CardSet(
        _bit(position, ~in_low), _bit(position - _WORD, in_low & (position < _NO_POSITION))
    )


def _union(sets: CardSet) -> CardSet:
    """The union of all sets."""
    return CardSet(*(jax.lax.reduce_or(word, (0,)) for word in sets))


def _bit(position: Int[Array, "*slot"], there: Bool[Array, "*slot"]) -> UInt32[Array, "*slot"]:
    """Words with only bit `position`, or 0 where not `there`."""
    return jnp.where(
        there, jnp.uint32(1) << jnp.where(there, position, 0).astype(jnp.uint32), jnp.uint32(0)
    )
