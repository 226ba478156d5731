"""Typed commands for human play, such as `p 1 3 5`, `d 2 4`, `buy 1`, parsed to actions.

Cards, offers and jokers are numbered from 1 at the left. An illegal command gets the reason.
"""

from typing import Any

import numpy as np

from elsinore.worlds.balatro.actions import MOST_CARDS, NUM_SUBSETS, SUBSETS, TRADES
from elsinore.worlds.balatro.descriptions import describe_table
from elsinore.worlds.balatro.rules.cards import card_name
from elsinore.worlds.balatro.rules.deck import HAND_SLOTS
from elsinore.worlds.balatro.rules.game import (
    BEGIN,
    BUY,
    JOKER_SLOTS,
    LEAVE,
    PLAY,
    REROLL,
    SELECT,
    SELL,
    SHOP,
)
from elsinore.worlds.balatro.rules.offers import JOKER
from elsinore.worlds.balatro.rules.shop import legal_trades
from elsinore.worlds.balatro.table import cards_in, offer_price

# A word may be abbreviated; the first word that matches is taken.
CARD_WORDS = ("play", "discard", "take")
TRADE_WORDS = {"buy": BUY, "sell": SELL, "reroll": REROLL, "leave": LEAVE, "begin": BEGIN}
FILLERS = ("joker", "the", "shop", "blind")  # words of an action's full name that are ignored
_HELP = {
    PLAY: "p 1 3 5 plays the first, third and fifth card, d 2 4 discards, w explains the jokers",
    SHOP: (
        "b 1 buys the first offer, s 2 sells the second joker, r rerolls, l leaves the shop, w"
        " explains the jokers and offers"
    ),
    SELECT: "begin begins the blind",
}
_TOGGLE_HELP = (
    "t 3 selects the third card or puts it back, p plays and d discards the selected cards"
)


def how_to(env: Any, params: Any, state: Any) -> str:
    """Help for the commands of the present phase."""
    phase = int(state.game.phase)
    return _TOGGLE_HELP if phase == PLAY and env.mode.selects else _HELP[phase]


def typed(env: Any, params: Any, state: Any, text: str) -> int:
    """Parse a line to an action.

    Raises:
        ValueError: with the reason if the line is no legal action; for `what`, with the
            descriptions of all things on the table.
    """
    first, *rest = [
        part for part in text.lower().replace(",", " ").split() if part not in FILLERS
    ] or [""]
    word = next(
        (word for word in (*CARD_WORDS, *TRADE_WORDS) if first and word.startswith(first)), None
    )
    if word is None and first and "what".startswith(first):
        raise ValueError(
            "\n".join(": ".join(pair) for pair in describe_table(env, state.game))
            or "there is nothing but cards."
        )
    if word is None:
        raise ValueError(f"{first!r} is no command: {how_to(env, params, state)}.")
    places = [_place(one) for one in rest]
    in_hand = word in CARD_WORDS
    if in_hand != (int(state.game.phase) == PLAY):
        raise ValueError(f"{word} is not for now: {how_to(env, params, state)}.")
    if not in_hand:
        return _trade(env, state.game, word, places)
    return (
        _toggle(env, state, word, places) if env.mode.selects else _subset(env, state, word, places)
    )


def _place(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(
            f"{text!r} is no number; cards and offers are numbered from 1 at the left."
        )
    return int(text)


def _subset(env: Any, state: Any, word: str, places: list[int]) -> int:
    """The action that plays or discards these cards."""
    if word not in ("play", "discard"):
        raise ValueError(f"{word} is not for now: {_HELP[PLAY]}.")
    _check_cards(state.game, places)
    _check_count(state.game, word)
    subset = SUBSETS.index(tuple(sorted(place - 1 for place in places)))
    return subset + NUM_SUBSETS * (word == "discard")


def _toggle(env: Any, state: Any, word: str, places: list[int]) -> int:
    """The action that selects a card or puts it back, or plays or discards the selected cards."""
    selected = [slot + 1 for slot in range(HAND_SLOTS) if int(state.selected) >> slot & 1]
    if word == "take":
        if len(places) != 1:
            raise ValueError("one card at a time: t 3 selects the third, or puts it back.")
        others = [place for place in selected if place != places[0]]
        _check_cards(state.game, others + places, forced=False)
        return places[0] - 1
    if places:
        raise ValueError(f"{word} takes no cards here; select them first: {_TOGGLE_HELP}.")
    _check_cards(state.game, selected)
    _check_count(state.game, word)
    return HAND_SLOTS + (word == "discard")


def _check_cards(game: Any, places: list[int], forced: bool = True) -> None:
    """Raise ValueError for cards that cannot be played or discarded together."""
    hand = cards_in(game.round.hand)
    if not places:
        raise ValueError("no cards; p 1 3 5 plays the first, third and fifth.")
    if len(set(places)) < len(places):
        raise ValueError("a card cannot be chosen twice.")
    beyond = [place for place in places if not 1 <= place <= len(hand)]
    if beyond:
        raise ValueError(f"there is no card {beyond[0]}; the hand has 1 to {len(hand)}.")
    if len(places) > MOST_CARDS:
        raise ValueError(f"{MOST_CARDS} cards at most; those are {len(places)}.")
    for card in cards_in(game.round.forced) if forced else ():
        if hand.index(card) + 1 not in places:
            raise ValueError(
                f"card {hand.index(card) + 1} ({card_name(card)}) must be among them: the boss"
                " is Cerulean Bell."
            )


def _check_count(game: Any, word: str) -> None:
    left = {"play": game.round.hands_left, "discard": game.round.discards_left}[word]
    if int(left) <= 0:
        raise ValueError(f"no {'hands' if word == 'play' else 'discards'} are left in this round.")


def _trade(env: Any, game: Any, word: str, places: list[int]) -> int:
    """The action of a move between two rounds."""
    kind, slots = TRADE_WORDS[word], {"buy": len(game.shop.kind), "sell": JOKER_SLOTS}.get(word, 0)
    if len(places) != (slots > 0):
        raise ValueError(
            f"{word} needs one number, such as {word} 1." if slots else f"{word} takes no number."
        )
    if (kind == BEGIN) != (int(game.phase) == SELECT):
        raise ValueError(f"{word} is not for now: {_HELP[int(game.phase)]}.")
    slot = places[0] - 1 if places else 0
    _TRADE_CHECKS.get(kind, lambda *_: None)(env, game, slot)
    return env.mode.num_actions - len(TRADES) + TRADES.index((kind, slot))


def _check_buy(env: Any, game: Any, slot: int) -> None:
    if not 0 <= slot < len(game.shop.kind) or int(game.shop.kind[slot]) == 0:
        raise ValueError(f"there is no offer {slot + 1}.")
    if not _affordable(env, game, BUY, slot):
        full = int(game.shop.kind[slot]) == JOKER and np.all(np.asarray(game.jokers.ids) > 0)
        why = (
            "there is no room for another joker; sell one"
            if full
            else f"it costs ${offer_price(game, slot)}; you have ${game.money}"
        )
        raise ValueError(f"{why}.")


def _check_sell(env: Any, game: Any, slot: int) -> None:
    if not 0 <= slot < JOKER_SLOTS or int(game.jokers.ids[slot]) == 0:
        raise ValueError(f"there is no joker {slot + 1}.")
    _check_moves(game)


def _check_reroll(env: Any, game: Any, slot: int) -> None:
    _check_moves(game)
    if not _affordable(env, game, REROLL, 0):
        raise ValueError(f"a reroll costs ${int(game.shop.reroll_price)}; you have ${game.money}.")


def _check_moves(game: Any) -> None:
    if int(game.shop.moves_left) == 0:
        raise ValueError("no more sales and rerolls in this shop; buy, or leave it.")


def _affordable(env: Any, game: Any, kind: int, slot: int) -> bool:
    """True if the rules allow a trade; all else but money and room has been checked."""
    return bool(legal_trades(game, env.rules)[TRADES.index((kind, slot))])


_TRADE_CHECKS = {BUY: _check_buy, SELL: _check_sell, REROLL: _check_reroll}
