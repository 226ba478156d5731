"""What a person types at the table, as an action: `p 1 3 5`, `d 2 4`, `buy 1`.

Cards, offers and jokers are told by their places, from 1 at the left. Whatever cannot be done is answered by why not.
"""

from typing import Any

import numpy as np

from elsinore.envs.balatro.actions import MOST_CARDS, NUM_SUBSETS, SUBSETS, TRADES
from elsinore.envs.balatro.rules.cards import name_of
from elsinore.envs.balatro.rules.deck import SLOTS
from elsinore.envs.balatro.rules.game import BEGIN, BUY, JOKER_SLOTS, LEAVE, PLAY, REROLL, SELECT, SELL, SHOP
from elsinore.envs.balatro.rules.shop import legal_trades
from elsinore.envs.balatro.rules.stock import JOKER
from elsinore.envs.balatro.table import cards_in, offer_price
from elsinore.envs.balatro.words import told

# A word may be cut short, down to the letters that tell it from those before it.
CARD_WORDS = ("play", "discard", "take")
TRADE_WORDS = {"buy": BUY, "sell": SELL, "reroll": REROLL, "leave": LEAVE, "begin": BEGIN}
FILLERS = ("joker", "the", "shop", "blind")  # of an action's name, which may be typed in full
HOW_TO = {
    PLAY: "p 1 3 5 plays the first, third and fifth card, d 2 4 discards, w tells what things do",
    SHOP: "b 1 buys what lies first, s 2 sells the second joker, r rerolls, l leaves the shop, w tells what things do",
    SELECT: "begin begins the blind",
}
TOGGLING = "t 3 takes up the third card or puts it back, p plays and d discards what is taken up"


def how_to(env: Any, params: Any, state: Any) -> str:
    """What can be typed now."""
    phase = int(state.game.phase)
    return TOGGLING if phase == PLAY and env.mode.selects else HOW_TO[phase]


def typed(env: Any, params: Any, state: Any, text: str) -> int:
    """The action that a line means.

    Raises:
        ValueError: saying why there is none, or why it cannot be taken now; to `what`, what things on the table do.
    """
    first, *rest = [part for part in text.lower().replace(",", " ").split() if part not in FILLERS] or [""]
    word = next((word for word in (*CARD_WORDS, *TRADE_WORDS) if first and word.startswith(first)), None)
    if word is None and first and "what".startswith(first):
        raise ValueError("\n".join(": ".join(pair) for pair in told(env, state.game)) or "there is nothing but cards.")
    if word is None:
        raise ValueError(f"{first!r} is no move: {how_to(env, params, state)}.")
    places = [_place(one) for one in rest]
    in_hand = word in CARD_WORDS
    if in_hand != (int(state.game.phase) == PLAY):
        raise ValueError(f"{word} is not for now: {how_to(env, params, state)}.")
    if not in_hand:
        return _trade(env, state.game, word, places)
    return _toggle(env, state, word, places) if env.mode.selects else _subset(env, state, word, places)


def _place(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no place; places are counted from 1 at the left.")
    return int(text)


def _subset(env: Any, state: Any, word: str, places: list[int]) -> int:
    """Play or discard the cards in these places."""
    if word not in ("play", "discard"):
        raise ValueError(f"{word} is not for now: {HOW_TO[PLAY]}.")
    _check_cards(state.game, places)
    _check_count(state.game, word)
    subset = SUBSETS.index(tuple(sorted(place - 1 for place in places)))
    return subset + NUM_SUBSETS * (word == "discard")


def _toggle(env: Any, state: Any, word: str, places: list[int]) -> int:
    """Take up a card or put it back; play or discard what is taken up."""
    taken_up = [slot + 1 for slot in range(SLOTS) if int(state.selected) >> slot & 1]
    if word == "take":
        if len(places) != 1:
            raise ValueError("one card at a time: t 3 takes up the third, or puts it back.")
        others = [place for place in taken_up if place != places[0]]
        _check_cards(state.game, others + places, forced=False)
        return places[0] - 1
    if places:
        raise ValueError(f"{word} is of the cards that are taken up; take them up first: {TOGGLING}.")
    _check_cards(state.game, taken_up)
    _check_count(state.game, word)
    return SLOTS + (word == "discard")


def _check_cards(game: Any, places: list[int], forced: bool = True) -> None:
    """Refuse a choice of cards that no hand could be."""
    hand = cards_in(game.round.hand)
    if not places:
        raise ValueError("which cards? p 1 3 5 plays the first, third and fifth.")
    if len(set(places)) < len(places):
        raise ValueError("a card cannot be chosen twice.")
    beyond = [place for place in places if not 1 <= place <= len(hand)]
    if beyond:
        raise ValueError(f"there is no card {beyond[0]}; the hand has 1 to {len(hand)}.")
    if len(places) > MOST_CARDS:
        raise ValueError(f"{MOST_CARDS} cards at most; those are {len(places)}.")
    for card in cards_in(game.round.forced) if forced else ():
        if hand.index(card) + 1 not in places:
            raise ValueError(f"card {hand.index(card) + 1} ({name_of(card)}) must be among them, says Cerulean Bell.")


def _check_count(game: Any, word: str) -> None:
    left = {"play": game.round.hands_left, "discard": game.round.discards_left}[word]
    if int(left) <= 0:
        raise ValueError(f"no {'hands' if word == 'play' else 'discards'} are left in this round.")


def _trade(env: Any, game: Any, word: str, places: list[int]) -> int:
    """One of the moves between two rounds."""
    kind, slots = TRADE_WORDS[word], {"buy": len(game.shop.kind), "sell": JOKER_SLOTS}.get(word, 0)
    if len(places) != (slots > 0):
        raise ValueError(f"{word} needs one place, such as {word} 1." if slots else f"{word} stands alone.")
    if (kind == BEGIN) != (int(game.phase) == SELECT):
        raise ValueError(f"{word} is not for now: {HOW_TO[int(game.phase)]}.")
    slot = places[0] - 1 if places else 0
    CHECKS.get(kind, lambda *_: None)(env, game, slot)
    return env.mode.num_actions - len(TRADES) + TRADES.index((kind, slot))


def _check_buy(env: Any, game: Any, slot: int) -> None:
    if not 0 <= slot < len(game.shop.kind) or int(game.shop.kind[slot]) == 0:
        raise ValueError(f"nothing lies in place {slot + 1}.")
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
    """Whether the rules allow it, money and room being all that is left to refuse it."""
    return bool(legal_trades(game, env.rules)[TRADES.index((kind, slot))])


CHECKS = {BUY: _check_buy, SELL: _check_sell, REROLL: _check_reroll}
