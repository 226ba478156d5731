"""The fields of a joker. A new joker is a row in `table`, with code only for effects that no other
has."""

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple

COMMON, UNCOMMON, RARE = range(3)


class Per(IntEnum):
    """The multiplier of an effect: 1, 1 if a condition on the hand holds, or a count."""

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
    DOLLAR_OF_OTHERS = auto()  # sell price of the other jokers
    COUNTER = auto()
    COUNTER_ABOVE_ONE = auto()
    EVERY_SIXTH = auto()  # if the counter is 5, 11, 17, ...
    CHANCE_TO_23 = auto()  # a random integer, 0 .. 23


class CardEffect(NamedTuple):
    """The effect of each trigger of a card that has any of the card flags `marks`."""

    marks: int = 0
    chips: int = 0
    mult: int = 0
    xmult: float = 1.0
    dollars: int = 0
    growth: int = 0  # of the joker's counter
    retriggers: int = 0  # extra triggers of the card
    half_the_time: bool = False  # each trigger has the effect with chance 1/2


class HandEffect(NamedTuple):
    """The effect of a hand with multiplier n of `per`: n times chips and mult, and mult * (1 + n *
    (xmult - 1))."""

    per: int = Per.ONCE
    chips: int = 0
    mult: int = 0
    xmult: float = 1.0


class Growth(NamedTuple):
    """The change of a joker's counter before scoring, times the multiplier of `per`."""

    by: int = 0
    per: int = Per.ONCE
    or_reset: bool = False  # to 0 where the multiplier is 0


@dataclass(frozen=True)
class Joker:
    """One joker."""

    name: str
    rarity: int
    cost: int  # dollars
    card: CardEffect = CardEffect()
    hand: HandEffect = HandEffect()
    start: int = 0  # of its counter
    before: Growth = Growth()  # unless the boss blocks the hand
    after: int = 0  # added to its counter by every hand; a joker is destroyed at 0
    of_chance: bool = False
