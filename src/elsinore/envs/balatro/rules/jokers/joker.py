"""What a joker is, as data: a new one is a row in `table`, and code only where it does something no other does."""

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple

COMMON, UNCOMMON, RARE = range(3)
RARITIES = ("common", "uncommon", "rare")


class Per(IntEnum):
    """How often an effect counts: once, once if something is true of the hand, or once for each of something."""

    ONCE = 0
    # if the hand contains
    PAIR = auto()
    TWO_PAIR = auto()
    THREE = auto()
    STRAIGHT = auto()
    FLUSH = auto()
    FOUR = auto()
    # if
    AT_MOST_THREE_PLAYED = auto()
    FOUR_PLAYED = auto()
    NO_DISCARDS_LEFT = auto()
    LAST_HAND = auto()
    HELD_ARE_DARK = auto()  # spades and clubs only, debuffed or not, or no cards
    FOUR_SUITS = auto()  # among the scoring cards, debuffed or not
    CLUB_AND_ANOTHER = auto()  # among the scoring cards that are not debuffed
    NO_FACE_SCORED = auto()
    PLAYED_THIS_ROUND = auto()  # the type, before this hand
    # for each
    TIME_PLAYED = auto()  # the type, this hand included
    DISCARD_LEFT = auto()
    CARD_IN_DECK = auto()
    DOLLAR = auto()
    FIVE_DOLLARS = auto()
    JOKER = auto()
    FREE_SLOT = auto()  # counting every Joker Stencil but one as free
    # for each, of this one joker
    DOLLAR_OF_OTHERS = auto()  # what the other jokers sell for
    COUNTER = auto()
    COUNTER_ABOVE_ONE = auto()
    EVERY_SIXTH = auto()  # if the counter stands at 5, 11, 17, ...
    CHANCE_TO_23 = auto()  # a whole number from 0 to 23


class Card(NamedTuple):
    """What each trigger of a card gives. `marks` says which cards: those that have any of these marks."""

    marks: int = 0
    chips: int = 0
    mult: int = 0
    xmult: float = 1.0
    dollars: int = 0
    growth: int = 0  # of the joker's counter
    retriggers: int = 0  # more triggers of the card
    half_the_time: bool = False  # each trigger counts with chance 1/2


class Hand(NamedTuple):
    """What the whole hand gives, `per` something: n times the chips or mult, or mult * (1 + n * (xmult - 1))."""

    per: int = Per.ONCE
    chips: int = 0
    mult: int = 0
    xmult: float = 1.0


class Growth(NamedTuple):
    """How a joker's counter changes before a hand scores, `per` something."""

    by: int = 0
    per: int = Per.ONCE
    or_reset: bool = False  # back to 0 where `per` counts none


@dataclass(frozen=True)
class Joker:
    """One joker."""

    name: str
    rarity: int
    cost: int  # dollars
    card: Card = Card()
    hand: Hand = Hand()
    start: float = 0.0  # of its counter
    before: Growth = Growth()  # unless the boss blocks the hand
    after: int = 0  # what every hand adds to its counter; one that falls to 0 removes the joker
    of_chance: bool = False
