"""The ways to tell a move by a number, and which numbers are legal.

`subset` (448 actions): each of the 218 choices of one to five of the eight cards is an action, once to play and once to
discard them. `toggle` (22 actions): cards are taken up and put back one at a time, then played or discarded. The last
twelve actions of both are those of the shop and of the next blind.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.envs.balatro.rules import shop
from elsinore.envs.balatro.rules.deck import SLOTS, Cards, chosen, count
from elsinore.envs.balatro.rules.game import (
    BEGIN,
    BUY,
    DISCARD_CARDS,
    JOKER_SLOTS,
    LEAVE,
    NOTHING,
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
# Which of the eight slots: by size, then by the slots themselves.
SUBSETS = tuple(slots for size in range(1, MOST_CARDS + 1) for slots in itertools.combinations(range(SLOTS), size))
NUM_SUBSETS = len(SUBSETS)
BITS = np.array([sum(1 << slot for slot in subset) for subset in SUBSETS], np.int32)
LAST_SLOT = np.array([subset[-1] for subset in SUBSETS], np.int32)

# The moves that both modes end with, and the slot that each is about.
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
    """`mask(game, selected, rules)` tells the legal actions; `move(game, selected, action)` what one of them means,
    and which cards are taken up after it. `selected` has a bit for each slot of the hand."""

    num_actions: int
    selects: bool  # are cards taken up before they are played?
    mask: Callable[[Game, Int[Array, ""], Rules], Bool[Array, "action"]]
    move: Callable[[Game, Int[Array, ""], Int[Array, ""]], tuple[Move, Int[Array, ""]]]


def is_legal(mask: Bool[Array, "action"], action: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether a number is an action, and a legal one."""
    return (action >= 0) & (action < mask.size) & mask[jnp.clip(action, 0, mask.size - 1)]


def no_move(game: Game) -> Move:
    return Move(jnp.int32(NOTHING), game.round.hand, jnp.int32(0))


def _subset_mask(game: Game, selected: Int[Array, ""], rules: Rules) -> Bool[Array, "448"]:
    now, forced = game.round, _forced_bits(game)
    there = (count(now.hand) > LAST_SLOT) & (BITS & forced == forced) & (game.phase == PLAY)
    plays, discards = there & (now.hands_left > 0), there & (now.discards_left > 0)
    return jnp.concatenate([plays, discards, shop.legal_trades(game, rules)])


def _subset_move(game: Game, selected: Int[Array, ""], action: Int[Array, ""]) -> tuple[Move, Int[Array, ""]]:
    discards = action >= NUM_SUBSETS
    bits = jnp.asarray(BITS)[jnp.where(discards, action - NUM_SUBSETS, action)]
    move = _move(game, bits, jnp.where(discards, DISCARD_CARDS, PLAY_CARDS), action - 2 * NUM_SUBSETS)
    return move, selected


def _toggle_mask(game: Game, selected: Int[Array, ""], rules: Rules) -> Bool[Array, "22"]:
    now, forced, slot = game.round, _forced_bits(game), np.arange(SLOTS)
    playing = game.phase == PLAY
    num_selected = jnp.sum((selected >> slot) & 1)
    is_selected, is_forced = (selected >> slot) & 1 == 1, (forced >> slot) & 1 == 1
    room = num_selected + ((selected & forced) != forced) < MOST_CARDS  # keeping one for the forced card
    toggles = playing & (slot < count(now.hand)) & (is_selected | is_forced | room)
    ready = playing & (num_selected > 0) & (selected & forced == forced)
    ends = jnp.stack([ready & (now.hands_left > 0), ready & (now.discards_left > 0)])
    return jnp.concatenate([toggles, ends, shop.legal_trades(game, rules)])


def _toggle_move(game: Game, selected: Int[Array, ""], action: Int[Array, ""]) -> tuple[Move, Int[Array, ""]]:
    toggled = action < SLOTS
    kind = jnp.where(toggled, NOTHING, jnp.where(action == SLOTS, PLAY_CARDS, DISCARD_CARDS))
    move = _move(game, selected, kind, action - SLOTS - 2)
    return move, jnp.where(toggled, selected ^ (1 << jnp.clip(action, 0, SLOTS - 1)), 0)


def _move(game: Game, bits: Int[Array, ""], kind: Int[Array, ""], trade: Int[Array, ""]) -> Move:
    """The move of `kind` with some slots of the hand, or trade number `trade` where that is not negative."""
    kind = jnp.where(trade < 0, kind, jnp.asarray(_TRADE_KIND)[trade])
    return Move(kind, chosen(game.round.hand, bits), jnp.asarray(_TRADE_SLOT)[trade])


def _forced_bits(game: Game) -> Int[Array, ""]:
    """The slot of the card that must be chosen, as a bit; 0 where there is none."""
    hand, forced = game.round.hand, game.round.forced
    above = Cards(forced.high - 1, jnp.where(forced.high != 0, jnp.uint32(0), forced.low - 1))
    before = jnp.where(forced.high != 0, count(hand & above), count(hand & above._replace(high=hand.high)))
    return jnp.where(count(forced) > 0, 1 << before, 0)


ACTION_MODES = {
    "subset": ActionMode(2 * NUM_SUBSETS + len(TRADES), False, _subset_mask, _subset_move),
    "toggle": ActionMode(SLOTS + 2 + len(TRADES), True, _toggle_mask, _toggle_move),
}
