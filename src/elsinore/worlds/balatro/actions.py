"""Action modes: discrete actions, their masks, and the moves that they mean.

`subset` (448 actions): each of the 218 subsets of one to five of the eight cards is an action, once
to play and once to discard. `toggle` (22 actions): select or deselect one card at a time, then play
or discard the selection. The last twelve actions of both are the shop's and `begin`.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.balatro.rules import shop
from elsinore.worlds.balatro.rules.deck import HAND_SLOTS, CardSet, cards_in_slots, count
from elsinore.worlds.balatro.rules.game import (
    BEGIN,
    BUY,
    DISCARD_CARDS,
    JOKER_SLOTS,
    LEAVE,
    NO_OP,
    NUM_OFFERS,
    PLAY,
    PLAY_CARDS,
    REROLL,
    SELL,
    Game,
    Move,
    Rules,
)

MOST_CARDS = 5  # in one play or discard
# Subsets of the eight slots, by size, then in lexicographic order.
SUBSETS = tuple(
    slots
    for size in range(1, MOST_CARDS + 1)
    for slots in itertools.combinations(range(HAND_SLOTS), size)
)
NUM_SUBSETS = len(SUBSETS)
SUBSET_BITS = np.array([sum(1 << slot for slot in subset) for subset in SUBSETS], np.int32)
LAST_SLOT = np.array([subset[-1] for subset in SUBSETS], np.int32)

# The last moves of both modes, each with its slot.
TRADES = (
    *((BUY, slot) for slot in range(NUM_OFFERS)),
    *((SELL, slot) for slot in range(JOKER_SLOTS)),
    (REROLL, 0),
    (LEAVE, 0),
    (BEGIN, 0),
)
_TRADE_KIND = np.array([kind for kind, _ in TRADES], np.int32)
_TRADE_SLOT = np.array([slot for _, slot in TRADES], np.int32)


class ActionMode(NamedTuple):
    """`mask(game, selected, rules)`: the legal actions. `move(game, selected, action)`: the move of
    an action, and the selection after it. `selected` has a bit for each slot of the hand."""

    num_actions: int
    selects: bool  # cards are selected before they are played
    mask: Callable[[Game, Int[Array, ""], Rules], Bool[Array, "action"]]
    move: Callable[[Game, Int[Array, ""], Int[Array, ""]], tuple[Move, Int[Array, ""]]]


def is_legal(mask: Bool[Array, "action"], action: Int[Array, ""]) -> Bool[Array, ""]:
    """True if `action` is in range and legal."""
    return (action >= 0) & (action < mask.size) & mask[jnp.clip(action, 0, mask.size - 1)]


def _subset_mask(game: Game, selected: Int[Array, ""], rules: Rules) -> Bool[Array, "448"]:
    now, forced = game.round, forced_bits(game)
    there = (count(now.hand) > LAST_SLOT) & (SUBSET_BITS & forced == forced) & (game.phase == PLAY)
    plays, discards = there & (now.hands_left > 0), there & (now.discards_left > 0)
    return jnp.concatenate([plays, discards, shop.legal_trades(game, rules)])


def _subset_move(
    game: Game, selected: Int[Array, ""], action: Int[Array, ""]
) -> tuple[Move, Int[Array, ""]]:
    discards = action >= NUM_SUBSETS
    bits = jnp.asarray(SUBSET_BITS)[jnp.where(discards, action - NUM_SUBSETS, action)]
    move = _move(
        game, bits, jnp.where(discards, DISCARD_CARDS, PLAY_CARDS), action - 2 * NUM_SUBSETS
    )
    return move, selected


def _toggle_mask(game: Game, selected: Int[Array, ""], rules: Rules) -> Bool[Array, "22"]:
    now, forced, slot = game.round, forced_bits(game), np.arange(HAND_SLOTS)
    playing = game.phase == PLAY
    num_selected = jnp.sum((selected >> slot) & 1)
    is_selected, is_forced = (selected >> slot) & 1 == 1, (forced >> slot) & 1 == 1
    # with one place kept for the forced card
    room = num_selected + ((selected & forced) != forced) < MOST_CARDS
    toggles = playing & (slot < count(now.hand)) & (is_selected | is_forced | room)
    ready = playing & (num_selected > 0) & (selected & forced == forced)
    ends = jnp.stack([ready & (now.hands_left > 0), ready & (now.discards_left > 0)])
    return jnp.concatenate([toggles, ends, shop.legal_trades(game, rules)])


def _toggle_move(
    game: Game, selected: Int[Array, ""], action: Int[Array, ""]
) -> tuple[Move, Int[Array, ""]]:
    toggled = action < HAND_SLOTS
    kind = jnp.where(toggled, NO_OP, jnp.where(action == HAND_SLOTS, PLAY_CARDS, DISCARD_CARDS))
    move = _move(game, selected, kind, action - HAND_SLOTS - 2)
    return move, jnp.where(toggled, selected ^ (1 << jnp.clip(action, 0, HAND_SLOTS - 1)), 0)


def _move(game: Game, bits: Int[Array, ""], kind: Int[Array, ""], trade: Int[Array, ""]) -> Move:
    """The move of `kind` with the cards of some slots, or trade number `trade` if that is >= 0."""
    kind = jnp.where(trade < 0, kind, jnp.asarray(_TRADE_KIND)[trade])
    return Move(kind, cards_in_slots(game.round.hand, bits), jnp.asarray(_TRADE_SLOT)[trade])


def forced_bits(game: Game) -> Int[Array, ""]:
    """The slot of the card that must be selected, as a bit; 0 if there is none."""
    hand, forced = game.round.hand, game.round.forced
    above = CardSet(forced.high - 1, jnp.where(forced.high != 0, jnp.uint32(0), forced.low - 1))
    before = jnp.where(
        forced.high != 0, count(hand & above), count(hand & above._replace(high=hand.high))
    )
    return jnp.where(count(forced) > 0, 1 << before, 0)


ACTION_MODES = {
    "subset": ActionMode(2 * NUM_SUBSETS + len(TRADES), False, _subset_mask, _subset_move),
    "toggle": ActionMode(HAND_SLOTS + 2 + len(TRADES), True, _toggle_mask, _toggle_move),
}
