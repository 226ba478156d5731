"""What there is to see in a hand of cards: each card, what goes with it, and what every choice of cards makes.

All that depends on a choice alone is a product with a matrix that never changes. Counting the ranks and suits of each
of the 218 choices took ten times as long as all the rest of a network.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.ops.whole import quotient, remainder

SLOTS, MOST = 8, 5  # cards in a hand, and in one choice
RANKS, SUITS = 13, 4
NUM_TYPES = 9  # of poker hands in one deck, high card to straight flush


def _incidence() -> np.ndarray:
    """[subset, slot]: which slots each choice takes, by size and then by slots."""
    choices = [c for size in range(1, MOST + 1) for c in itertools.combinations(range(SLOTS), size)]
    return np.array([[slot in choice for slot in range(SLOTS)] for choice in choices], np.float32)


INCIDENCE = _incidence()
NUM_SUBSETS = len(INCIDENCE)
SIZE = INCIDENCE.sum(axis=1).astype(int)  # of each choice

_TWO_OF_IT = np.triu(np.ones((SLOTS, SLOTS)), 1) * INCIDENCE[:, :, None] * INCIDENCE[:, None]
_PAIRS = _TWO_OF_IT.reshape(NUM_SUBSETS, -1).T.astype(np.float32)  # [slot x slot, subset]: a choice takes both
_PLACE = np.where(INCIDENCE > 0, INCIDENCE.cumsum(axis=1), 0).T  # [slot, subset]: 1 the first that is taken, and so on
_FIRST, _SECOND, _LAST = ((place == _PLACE).astype(np.float32) for place in (1, 2, SIZE))
_RUNS = np.array([[(rank - low) % RANKS < MOST for rank in range(RANKS)] for low in (12, *range(9))], np.float32)
_ACE, _FIVE, _TWO = 12.0, 3.0, 0.0
_BY_PAIRS = {1: 1, 2: 2, 3: 3, 4: 6, 6: 7}  # the type, by pairs of equal cards: four of a kind has 6
_STRAIGHT, _FLUSH, _STRAIGHT_FLUSH = 4, 5, 8


def ranks_and_suits(hand: Int[Array, "slot"]) -> tuple[Int[Array, "slot"], Int[Array, "slot"]]:
    """Of cards numbered suit * 13 + rank; -1 for an empty slot (below 0)."""
    hand = hand.astype(jnp.int32)
    return jnp.where(hand < 0, -1, remainder(hand, RANKS)), jnp.where(hand < 0, -1, quotient(hand, RANKS))


def one_hot_cards(hand: Int[Array, "slot"]) -> Float[Array, "slot 17"]:
    """Rank, then suit; nothing for an empty slot."""
    rank, suit = ranks_and_suits(hand)
    return jnp.concatenate([jax.nn.one_hot(rank, RANKS), jax.nn.one_hot(suit, SUITS)], axis=1)


@jax.jit  # traced once for policy, critic and head
def hand_types(hand: Int[Array, "slot"]) -> Int[Array, "subset"]:
    """High card, pair, two pair, three, straight, flush, full house, four, straight flush (0 to 8) of each choice from
    a hand that lies from high to low. A choice of empty slots has any."""
    rank, suit = ranks_and_suits(hand)
    pairs, suited = (jnp.ravel(x[:, None] == x).astype(jnp.float32) @ _PAIRS for x in (rank, suit))
    first, second, last = (rank.astype(jnp.float32) @ place for place in (_FIRST, _SECOND, _LAST))
    in_a_row = (first - last == MOST - 1.0) | ((first == _ACE) & (second == _FIVE) & (last == _TWO))
    straight, flush = in_a_row & (pairs == 0.0) & (SIZE == MOST), suited == MOST * (MOST - 1) / 2
    by_pairs = sum(jnp.where(pairs == n, kind, 0) for n, kind in _BY_PAIRS.items())
    five = jnp.where(flush, jnp.where(straight, _STRAIGHT_FLUSH, _FLUSH), _STRAIGHT)
    return jnp.where(straight | flush, five, by_pairs)


@jax.jit  # traced once for policy, critic and head
def seen_cards(hand: Int[Array, "slot"], drawn: Bool[Array, "52"]) -> Float[Array, "slot seen"]:
    """Each card, and how it goes with the others: how many of the hand have its rank, how many its suit, how many ranks
    of a straight with it are there; and what share of its rank and of its suit is still to be drawn."""
    cards = one_hot_cards(hand)
    ranks, suits = cards[:, :RANKS], cards[:, RANKS:]
    held_ranks, held_suits, left_ranks, left_suits = held_and_left(hand, drawn)
    runs = jnp.minimum(held_ranks, 1.0) @ _RUNS.T  # ranks that are there, of each straight
    longest = jnp.max((ranks @ _RUNS.T) * runs, axis=1)
    counts = ((ranks @ held_ranks, SUITS), (suits @ held_suits, SLOTS), (longest, MOST))
    related = [jax.nn.one_hot(count - 1.0, most) for count, most in counts]
    left = jnp.stack([ranks @ left_ranks, suits @ left_suits], axis=1)
    return jnp.concatenate([cards, *related, left], axis=1)


@jax.jit  # traced once for policy, critic and head
def held_and_left(hand: Int[Array, "slot"], drawn: Bool[Array, "52"]) -> tuple[Array, Array, Array, Array]:
    """How many of each rank and of each suit are in the hand, and what share of each is still to be drawn."""
    held = jnp.sum(one_hot_cards(hand), axis=0)
    pile = 1.0 - drawn.astype(jnp.float32).reshape(SUITS, RANKS)
    return held[:RANKS], held[RANKS:], jnp.mean(pile, axis=0), jnp.mean(pile, axis=1)


def score_terms(
    play_scores: Float[Array, "subset"], needed: Float[Array, ""], hands_left: Int[Array, ""]
) -> Float[Array, "subset 4"]:
    """What playing each choice now would come to, from the log1p of its score: that logarithm, its share of the points
    needed, the share if every hand left were as good, and whether it is enough."""
    share = jnp.expm1(play_scores) / jnp.maximum(needed, 1.0)
    pace = share * jnp.maximum(hands_left, 1)
    enough = (share > 1.0 - 1e-4).astype(jnp.float32)  # the logarithm has rounded
    return jnp.stack([play_scores / 4.0, jnp.minimum(share, 1.0), jnp.minimum(pace, 2.0), enough], axis=1)
