"""Baselines: hand-written policies to compare learned ones with.

Each is a pure function of a game and its rules that returns an action of mode `subset`. They know
the score of every subset of cards, and never plan beyond the next action. Only `joker-buyer` buys
in a shop.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.errors import ConfigError
from elsinore.worlds.balatro.actions import (
    MOST_CARDS,
    NUM_SUBSETS,
    SUBSET_BITS,
    SUBSETS,
    TRADES,
    forced_bits,
)
from elsinore.worlds.balatro.observation import preview_subsets
from elsinore.worlds.balatro.rules import shop
from elsinore.worlds.balatro.rules.cards import SUITS, suit_of
from elsinore.worlds.balatro.rules.deck import HAND_SLOTS, slots_of
from elsinore.worlds.balatro.rules.game import (
    BEGIN,
    BUY,
    LEAVE,
    NUM_OFFERS,
    PLAY,
    SHOP,
    Game,
    Rules,
)
from elsinore.worlds.balatro.rules.hands import STRAIGHT
from elsinore.worlds.balatro.rules.offers import JOKER
from elsinore.worlds.balatro.state import BalatroState

Baseline = Callable[[Game, Rules], Int[Array, ""]]

_SLOTS = np.arange(HAND_SLOTS)
_SUBSET_OF_BITS = np.zeros(2**HAND_SLOTS, np.int32)
_SUBSET_OF_BITS[SUBSET_BITS] = np.arange(NUM_SUBSETS)
# the first of its kind
_TRADE = {kind: 2 * NUM_SUBSETS + TRADES.index((kind, 0)) for kind in (BUY, LEAVE, BEGIN)}


def greedy(game: Game, rules: Rules) -> Int[Array, ""]:
    """Plays the subset of highest score, the first of equals, and never discards."""
    best, _, _ = _best_play(game, rules)
    return _or_trade(game, best)


def greedy_keep(game: Game, rules: Rules) -> Int[Array, ""]:
    """Discards the last cards that do not score in the best play, unless the remaining hands with
    that score beat the blind."""
    best, score, _ = _best_play(game, rules)
    now = game.round
    too_little = score * now.hands_left < now.target - now.score
    unused = ~_scoring_slots(game, rules, best)
    return _or_trade(
        game, jnp.where(too_little & (now.discards_left > 0), _discard_last(game, unused), best)
    )


def greedy_flush(game: Game, rules: Rules) -> Int[Array, ""]:
    """Discards the last cards outside the most frequent suit, unless the best play is a straight or
    better, or beats the blind."""
    best, score, kind = _best_play(game, rules)
    now = game.round
    suits = jnp.where(slots_of(now.hand) >= 0, suit_of(slots_of(now.hand)), len(SUITS))
    most = jnp.argmax(jnp.sum(suits == np.arange(len(SUITS))[:, None], axis=1))
    waits = (kind < STRAIGHT) & (now.score + score < now.target) & (now.discards_left > 0)
    return _or_trade(game, jnp.where(waits, _discard_last(game, suits != most), best))


def joker_buyer(game: Game, rules: Rules) -> Int[Array, ""]:
    """Plays as `greedy_flush`, and buys every affordable offer: jokers first, from the left."""
    for_sale = shop.legal_trades(game, rules)[:NUM_OFFERS]
    wanted = jnp.where(for_sale, 1 + (game.shop.kind == JOKER), 0)
    return jnp.where(for_sale.any(), _TRADE[BUY] + jnp.argmax(wanted), greedy_flush(game, rules))


def _best_play(game: Game, rules: Rules) -> tuple[Int[Array, ""], Float[Array, ""], Int[Array, ""]]:
    """The legal subset of highest score, its score, and its hand type."""
    there, scored = preview_subsets(game, rules)
    forced = forced_bits(game)
    legal = there & (SUBSET_BITS & forced == forced)
    best = jnp.argmax(jnp.where(legal, scored.score, -1.0))
    return best, scored.score[best], scored.type[best]


def _scoring_slots(game: Game, rules: Rules, subset: Int[Array, ""]) -> Bool[Array, "8"]:
    """True for each slot of the hand that scores if the subset is played."""
    _, scored = preview_subsets(game, rules)
    slots = jnp.asarray(
        [[*subset, *(HAND_SLOTS,) * (MOST_CARDS - len(subset))] for subset in SUBSETS]
    )[subset]
    return ((slots[:, None] == _SLOTS) & scored.scoring[subset][:, None]).any(axis=0)


def _discard_last(game: Game, unwanted: Bool[Array, "8"]) -> Int[Array, ""]:
    """The action that discards the last five of the unwanted cards, with a forced card as the last
    of them."""
    forced = (forced_bits(game) >> _SLOTS) & 1 == 1
    unwanted = forced | unwanted & (slots_of(game.round.hand) >= 0)
    behind = jnp.sum(unwanted & (forced | (_SLOTS[:, None] < _SLOTS)), axis=1)
    bits = jnp.sum(jnp.where(forced | unwanted & (behind < MOST_CARDS), 1 << _SLOTS, 0))
    return NUM_SUBSETS + jnp.asarray(_SUBSET_OF_BITS)[bits]


def _or_trade(game: Game, action: Int[Array, ""]) -> Int[Array, ""]:
    """`action` during a blind; otherwise leave the shop or begin the next blind."""
    between = jnp.where(game.phase == SHOP, _TRADE[LEAVE], _TRADE[BEGIN])
    return jnp.where(game.phase == PLAY, action, between)


BASELINES: dict[str, Baseline] = {
    "greedy": greedy,
    "greedy-keep": greedy_keep,
    "greedy-flush": greedy_flush,
    "joker-buyer": joker_buyer,
}


def teacher(
    baseline: str, env: Any
) -> Callable[[BalatroState, Any], tuple[Int[Array, ""], Bool[Array, ""]]]:
    """A baseline as an imitation teacher: its action, and True if more than one action is legal.

    Raises:
        ConfigError: for a game in another action mode than `subset`.
    """
    if getattr(env, "action_mode", "subset") != "subset":
        raise ConfigError(
            f"env_kwargs.action_mode={env.action_mode!r} has no teacher: {baseline} plays in the"
            " mode subset; choose it, or remove imitation (imitation: null)."
        )

    def advise(state: BalatroState, params: Any) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        return (
            BASELINES[baseline](state.game, env.rules),
            jnp.sum(env.mode.mask(state.game, state.selected, env.rules)) > 1,
        )

    return advise


def joker_buyer_teacher(
    env: Any,
) -> Callable[[BalatroState, Any], tuple[Int[Array, ""], Bool[Array, ""]]]:
    return teacher("joker-buyer", env)
