"""Features of a hand: of each card, and of every subset of cards.

Features of the 218 subsets are products with constant matrices. Counting the ranks and suits of
each took ten times as long as the rest of the network.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.jaxtools.integers import quotient, remainder
from elsinore.worlds.balatro.actions import MOST_CARDS, NUM_SUBSETS, SUBSETS
from elsinore.worlds.balatro.rules.cards import RANKS, SUITS
from elsinore.worlds.balatro.rules.deck import HAND_SLOTS

NUM_RANKS, NUM_SUITS = len(RANKS), len(SUITS)
NUM_TYPES = 9  # of hands from one deck, high card to straight flush

# [subset, slot]: 1 for the slots of each subset
INCIDENCE = np.array(
    [[slot in subset for slot in range(HAND_SLOTS)] for subset in SUBSETS], np.float32
)
SUBSET_SIZE = INCIDENCE.sum(axis=1).astype(int)

_TWO_OF_IT = (
    np.triu(np.ones((HAND_SLOTS, HAND_SLOTS)), 1) * INCIDENCE[:, :, None] * INCIDENCE[:, None]
)
# [slot x slot, subset]: 1 if a subset has both slots
_PAIRS = _TWO_OF_IT.reshape(NUM_SUBSETS, -1).T.astype(np.float32)
# [slot, subset]: 1 for the first slot of a subset, 2 for the second ...
_PLACE = np.where(INCIDENCE > 0, INCIDENCE.cumsum(axis=1), 0).T
_FIRST, _SECOND, _LAST = ((place == _PLACE).astype(np.float32) for place in (1, 2, SUBSET_SIZE))
_RUNS = np.array(
    [
        [(rank - low) % NUM_RANKS < MOST_CARDS for rank in range(NUM_RANKS)]
        for low in (12, *range(9))
    ],
    np.float32,
)
_ACE, _FIVE, _TWO = 12.0, 3.0, 0.0
# the type, by pairs of equal cards: four of a kind has 6
_BY_PAIRS = {1: 1, 2: 2, 3: 3, 4: 6, 6: 7}
_STRAIGHT, _FLUSH, _STRAIGHT_FLUSH = 4, 5, 8


def ranks_and_suits(hand: Int[Array, "slot"]) -> tuple[Int[Array, "slot"], Int[Array, "slot"]]:
    """Ranks and suits of card ids (suit * 13 + rank); -1 for an empty slot (< 0)."""
    hand = hand.astype(jnp.int32)
    return jnp.where(hand < 0, -1, remainder(hand, NUM_RANKS)), jnp.where(
        hand < 0, -1, quotient(hand, NUM_RANKS)
    )


def one_hot_cards(hand: Int[Array, "slot"]) -> Float[Array, "slot 17"]:
    """One-hot rank and suit; zeros for an empty slot."""
    rank, suit = ranks_and_suits(hand)
    return jnp.concatenate(
        [jax.nn.one_hot(rank, NUM_RANKS), jax.nn.one_hot(suit, NUM_SUITS)], axis=1
    )


@jax.jit  # traced once for policy, critic and head
def hand_types(hand: Int[Array, "slot"]) -> Int[Array, "subset"]:
    """The type of each subset of a hand sorted from high to low: high card, pair, two pair, three,
    straight, flush, full house, four, straight flush (0 to 8). Undefined with empty slots."""
    rank, suit = ranks_and_suits(hand)
    pairs, suited = (jnp.ravel(x[:, None] == x).astype(jnp.float32) @ _PAIRS for x in (rank, suit))
    first, second, last = (rank.astype(jnp.float32) @ place for place in (_FIRST, _SECOND, _LAST))
    in_a_row = (first - last == MOST_CARDS - 1.0) | (
        (first == _ACE) & (second == _FIVE) & (last == _TWO)
    )
    straight = in_a_row & (pairs == 0.0) & (SUBSET_SIZE == MOST_CARDS)
    flush = suited == MOST_CARDS * (MOST_CARDS - 1) / 2
    by_pairs = sum(jnp.where(pairs == n, kind, 0) for n, kind in _BY_PAIRS.items())
    five = jnp.where(flush, jnp.where(straight, _STRAIGHT_FLUSH, _FLUSH), _STRAIGHT)
    return jnp.where(straight | flush, five, by_pairs)


@jax.jit  # traced once for policy, critic and head
def seen_cards(hand: Int[Array, "slot"], drawn: Bool[Array, "52"]) -> Float[Array, "slot seen"]:
    """Features of each card: one-hot rank and suit; the number of cards in the hand of its rank, of
    its suit, and of ranks in its best straight; the shares of its rank and suit left in the
    pile."""
    cards = one_hot_cards(hand)
    ranks, suits = cards[:, :NUM_RANKS], cards[:, NUM_RANKS:]
    held_ranks, held_suits, left_ranks, left_suits = held_and_left(hand, drawn)
    runs = jnp.minimum(held_ranks, 1.0) @ _RUNS.T  # ranks present, of each straight
    longest = jnp.max((ranks @ _RUNS.T) * runs, axis=1)
    counts = (
        (ranks @ held_ranks, NUM_SUITS),
        (suits @ held_suits, HAND_SLOTS),
        (longest, MOST_CARDS),
    )
    related = [jax.nn.one_hot(count - 1.0, most) for count, most in counts]
    left = jnp.stack([ranks @ left_ranks, suits @ left_suits], axis=1)
    return jnp.concatenate([cards, *related, left], axis=1)


@jax.jit  # traced once for policy, critic and head
def held_and_left(
    hand: Int[Array, "slot"], drawn: Bool[Array, "52"]
) -> tuple[Array, Array, Array, Array]:
    """Counts of each rank and suit in the hand, and the share of each left in the pile."""
    held = jnp.sum(one_hot_cards(hand), axis=0)
    pile = 1.0 - drawn.astype(jnp.float32).reshape(NUM_SUITS, NUM_RANKS)
    return held[:NUM_RANKS], held[NUM_RANKS:], jnp.mean(pile, axis=0), jnp.mean(pile, axis=1)


def score_terms(
    play_scores: Float[Array, "subset"], needed: Float[Array, ""], hands_left: Int[Array, ""]
) -> Float[Array, "subset 4"]:
    """Terms of each subset's score, from its log1p: the logarithm, the score's share of the points
    needed, the share times the hands left, and a flag if it beats the blind."""
    share = jnp.expm1(play_scores) / jnp.maximum(needed, 1.0)
    pace = share * jnp.maximum(hands_left, 1)
    enough = (share > 1.0 - 1e-4).astype(jnp.float32)  # the logarithm has rounded
    return jnp.stack(
        [play_scores / 4.0, jnp.minimum(share, 1.0), jnp.minimum(pace, 2.0), enough], axis=1
    )
