"""Cards are numbers: suit * 13 + rank, and -1 where a slot is empty."""

import jax.numpy as jnp
from jaxtyping import Array, Int

SUITS = ("spade", "heart", "club", "diamond")
RANKS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A")
SPADE, HEART, CLUB, DIAMOND = range(4)
JACK, QUEEN, KING, ACE = range(9, 13)
NUM_CARDS = len(SUITS) * len(RANKS)
EMPTY = -1


def suit_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The suit, 0..3; 0 for an empty slot. 79 / 1024 is 1 / 13 nearly enough, and integer division is slow."""
    return jnp.maximum(card.astype(jnp.int32), 0) * 79 >> 10


def rank_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """The rank: 0 is a 2, 12 is an ace, and -1 an empty slot."""
    return card.astype(jnp.int32) - 13 * suit_of(card)


def chips_of(rank: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """What a card adds to a hand: its pips, 10 for a face, 11 for an ace. For an empty slot it means nothing."""
    return jnp.where(rank < JACK, rank + 2, jnp.where(rank == ACE, 11, 10))


def name_of(card: int) -> str:
    """A card as people write it: "10♥", "A♠"; an empty slot is "-"."""
    return "-" if card == EMPTY else RANKS[card % 13] + "♠♥♣♦"[card // 13]
