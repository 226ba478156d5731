"""Cards and prices of a game as Python numbers, for views; needs only numpy."""

from typing import Any

from elsinore.worlds.balatro.rules.cards import ACE, RANKS, SUITS
from elsinore.worlds.balatro.rules.game import CLEARANCE_SALE
from elsinore.worlds.balatro.rules.jokers import COST
from elsinore.worlds.balatro.rules.offers import JOKER
from elsinore.worlds.balatro.rules.shop import KIND_PRICE

WORD = 26  # cards in each word of a set


def cards_in(cards: Any) -> list[int]:
    """The card ids of a set in table order (see `rules/deck.py`)."""
    words = (int(cards.high), int(cards.low))
    places = [place for place in range(2 * WORD) if words[place // WORD] >> place % WORD & 1]
    return [place % len(SUITS) * len(RANKS) + ACE - place // len(SUITS) for place in places]


def offer_price(game: Any, slot: int) -> int:
    """The price in dollars of a shop slot, as `shop.prices`."""
    kind = int(game.shop.kind[slot])
    price = int(COST[int(game.shop.item[slot])] if kind == JOKER else KIND_PRICE[kind])
    return (
        max(int((price + 0.5) * 0.75), 1) if kind and bool(game.vouchers[CLEARANCE_SALE]) else price
    )
