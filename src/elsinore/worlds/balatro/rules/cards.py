"""Card ids: suit * 13 + rank, and -1 for an empty slot."""

import jax.numpy as jnp
from jaxtyping import Array, Int

SUITS = ("spade", "heart", "club", "diamond")
RANKS = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K", "A")
SPADE, HEART, CLUB, DIAMOND = range(4)
JACK, QUEEN, KING, ACE = range(9, 13)
NUM_CARDS = len(SUITS) * len(RANKS)
EMPTY = -1


def suit_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Suits, 0..3; 0 for an empty slot. 79 / 1024 approximates 1 / 13; integer division is slow."""
    return jnp.maximum(card.astype(jnp.int32), 0) * 79 >> 10


def rank_of(card: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Ranks: 0 is a 2, 12 an ace, -1 an empty slot."""
    return card.astype(jnp.int32) - 13 * suit_of(card)


def chips_of(rank: Int[Array, "*slot"]) -> Int[Array, "*slot"]:
    """Chips of a rank: its pips, 10 for a face, 11 for an ace; undefined for an empty slot."""
    return jnp.where(rank < JACK, rank + 2, jnp.where(rank == ACE, 11, 10))


def card_name(card: int) -> str:
    """A card as text: "10♥", "A♠"; "-" for an empty slot."""
    return "-" if card == EMPTY else RANKS[card % 13] + "♠♥♣♦"[card // 13]
