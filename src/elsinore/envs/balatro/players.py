"""Players that follow a rule: what a policy that learns is measured against.

Each is a pure function of a game and its rules, and gives an action of mode `subset`. They know what every choice of
cards would score, and look no further than the next card. In a shop only `joker-buyer` buys.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from elsinore.envs.balatro.actions import BITS, MOST_CARDS, NUM_SUBSETS, SUBSETS, TRADES
from elsinore.envs.balatro.observation import previews
from elsinore.envs.balatro.rules import shop
from elsinore.envs.balatro.rules.cards import SUITS, suit_of
from elsinore.envs.balatro.rules.deck import SLOTS, slots_of
from elsinore.envs.balatro.rules.game import BEGIN, BUY, LEAVE, NUM_OFFERS, PLAY, SHOP, Game, Rules
from elsinore.envs.balatro.rules.hands import STRAIGHT
from elsinore.envs.balatro.rules.stock import JOKER
from elsinore.envs.balatro.state import State

Player = Callable[[Game, Rules], Int[Array, ""]]

_SLOTS = np.arange(SLOTS)
_SUBSET_OF_BITS = np.zeros(2**SLOTS, np.int32)
_SUBSET_OF_BITS[BITS] = np.arange(NUM_SUBSETS)
_TRADE = {kind: 2 * NUM_SUBSETS + TRADES.index((kind, 0)) for kind in (BUY, LEAVE, BEGIN)}  # the first of its kind


def greedy(game: Game, rules: Rules) -> Int[Array, ""]:
    """Plays what scores most now, the first of equals, and never discards."""
    best, _, _ = _best_play(game, rules)
    return _or_trade(game, best)


def greedy_keep(game: Game, rules: Rules) -> Int[Array, ""]:
    """Discards the last cards that do not score in the best play, while plays like it would not beat the blind."""
    best, score, _ = _best_play(game, rules)
    now = game.round
    too_little = score * now.hands_left < now.target - now.score
    unused = ~_scoring_slots(game, rules, best)
    return _or_trade(game, jnp.where(too_little & (now.discards_left > 0), _discard_last(game, unused), best))


def greedy_flush(game: Game, rules: Rules) -> Int[Array, ""]:
    """Discards the last cards that are not of its most frequent suit, unless it has a straight or better, or wins."""
    best, score, kind = _best_play(game, rules)
    now = game.round
    suits = jnp.where(slots_of(now.hand) >= 0, suit_of(slots_of(now.hand)), len(SUITS))
    most = jnp.argmax(jnp.sum(suits == np.arange(len(SUITS))[:, None], axis=1))
    waits = (kind < STRAIGHT) & (now.score + score < now.target) & (now.discards_left > 0)
    return _or_trade(game, jnp.where(waits, _discard_last(game, suits != most), best))


def joker_buyer(game: Game, rules: Rules) -> Int[Array, ""]:
    """Plays as `greedy_flush`, and buys whatever it can pay for: jokers first, and of several the leftmost."""
    for_sale = shop.legal_trades(game, rules)[:NUM_OFFERS]
    wanted = jnp.where(for_sale, 1 + (game.shop.kind == JOKER), 0)
    return jnp.where(for_sale.any(), _TRADE[BUY] + jnp.argmax(wanted), greedy_flush(game, rules))


def _best_play(game: Game, rules: Rules) -> tuple[Int[Array, ""], Float[Array, ""], Int[Array, ""]]:
    """The subset that scores most, what it scores, and its type."""
    there, scored = previews(game, rules)
    best = jnp.argmax(jnp.where(there, scored.score, -1.0))
    return best, scored.score[best], scored.type[best]


def _scoring_slots(game: Game, rules: Rules, subset: Int[Array, ""]) -> Bool[Array, "8"]:
    """Which slots of the hand would score in a play."""
    _, scored = previews(game, rules)
    slots = jnp.asarray([[*subset, *(SLOTS,) * (MOST_CARDS - len(subset))] for subset in SUBSETS])[subset]
    return ((slots[:, None] == _SLOTS) & scored.scoring[subset][:, None]).any(axis=0)


def _discard_last(game: Game, unwanted: Bool[Array, "8"]) -> Int[Array, ""]:
    """The action that discards the last five of the unwanted cards."""
    unwanted = unwanted & (slots_of(game.round.hand) >= 0)
    behind = jnp.sum(unwanted & (_SLOTS[:, None] < _SLOTS), axis=1)
    bits = jnp.sum(jnp.where(unwanted & (behind < MOST_CARDS), 1 << _SLOTS, 0))
    return NUM_SUBSETS + jnp.asarray(_SUBSET_OF_BITS)[bits]


def _or_trade(game: Game, action: Int[Array, ""]) -> Int[Array, ""]:
    """The action in play; between blinds, on to the next."""
    between = jnp.where(game.phase == SHOP, _TRADE[LEAVE], _TRADE[BEGIN])
    return jnp.where(game.phase == PLAY, action, between)


PLAYERS: dict[str, Player] = {
    "greedy": greedy,
    "greedy-keep": greedy_keep,
    "greedy-flush": greedy_flush,
    "joker-buyer": joker_buyer,
}


def teacher(player: str, env: Any) -> Callable[[State, Any], tuple[Int[Array, ""], Bool[Array, ""]]]:
    """A player as imitation asks for one: its choice in a state, and whether there was anything to choose."""

    def advise(state: State, params: Any) -> tuple[Int[Array, ""], Bool[Array, ""]]:
        return PLAYERS[player](state.game, env.rules), jnp.sum(env.mode.mask(state.game, state.selected, env.rules)) > 1

    return advise


def joker_buyer_teacher(env: Any) -> Callable[[State, Any], tuple[Int[Array, ""], Bool[Array, ""]]]:
    return teacher("joker-buyer", env)
