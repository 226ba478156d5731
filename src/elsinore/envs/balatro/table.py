"""What lies on the table, as numbers that people read; needs numpy alone."""

from typing import Any

from elsinore.envs.balatro.rules.cards import ACE, RANKS, SUITS
from elsinore.envs.balatro.rules.game import CLEARANCE_SALE
from elsinore.envs.balatro.rules.jokers import COST
from elsinore.envs.balatro.rules.shop import KIND_PRICE
from elsinore.envs.balatro.rules.stock import JOKER

WORD = 26  # cards in each word of a set


def cards_in(cards: Any) -> list[int]:
    """The cards of a set in the order on the table (see `rules/deck.py`)."""
    words = (int(cards.high), int(cards.low))
    places = [place for place in range(2 * WORD) if words[place // WORD] >> place % WORD & 1]
    return [place % len(SUITS) * len(RANKS) + ACE - place // len(SUITS) for place in places]


def offer_price(game: Any, slot: int) -> int:
    """Dollars for what lies in a slot of the shop: `shop.prices` in plain numbers."""
    kind = int(game.shop.kind[slot])
    price = int(COST[int(game.shop.item[slot])] if kind == JOKER else KIND_PRICE[kind])
    return max(int((price + 0.5) * 0.75), 1) if kind and bool(game.vouchers[CLEARANCE_SALE]) else price
