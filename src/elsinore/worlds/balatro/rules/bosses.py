"""Boss blinds: their table, the cards they debuff, and the hands they block."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.worlds.balatro.rules import card_flags
from elsinore.worlds.balatro.rules.cards import EMPTY, NUM_CARDS
from elsinore.worlds.balatro.rules.hands import NUM_HANDS
from elsinore.worlds.balatro.rules.names import enabled_by_name


@dataclass(frozen=True)
class Boss:
    """A boss as data. Effects beyond these fields depend on its index."""

    name: str
    min_ante: int
    debuffs: int = 0  # card flags of rank and suit
    factor: int = 2  # of the ante's base requirement
    hands: int | None = None  # a round; None: as usual
    discards: int | None = None
    hand_size: int | None = None
    finisher: bool = False  # appears at antes 8, 16, ... and only there


# Left out: bosses that hide cards or jokers, The Serpent and Verdant Leaf. They need hidden or more
# than eight cards, or sales outside the shop.
BOSSES = (
    Boss("none", 1),
    Boss("The Club", 1, debuffs=card_flags.CLUBS),
    Boss("The Goad", 1, debuffs=card_flags.SPADES),
    Boss("The Head", 1, debuffs=card_flags.HEARTS),
    Boss("The Window", 1, debuffs=card_flags.DIAMONDS),
    Boss("The Plant", 4, debuffs=card_flags.FACES),
    Boss("The Flint", 2),
    Boss("The Arm", 2),
    Boss("The Psychic", 1),
    Boss("The Eye", 3),
    Boss("The Mouth", 2),
    Boss("The Pillar", 1),
    Boss("The Tooth", 3),
    Boss("The Hook", 1),
    Boss("The Wall", 2, factor=4),
    Boss("The Water", 2, discards=0),
    Boss("The Needle", 2, factor=1, hands=1),
    Boss("The Manacle", 1, hand_size=7),
    Boss("The Ox", 6),
    Boss("Violet Vessel", 8, factor=6, finisher=True),
    Boss("Crimson Heart", 8, finisher=True),
    Boss("Cerulean Bell", 8, finisher=True),
)
NUM_BOSSES = len(BOSSES)  # with "none"
(
    NO_BOSS, THE_CLUB, THE_GOAD, THE_HEAD, THE_WINDOW, THE_PLANT, THE_FLINT, THE_ARM,
    THE_PSYCHIC, THE_EYE, THE_MOUTH, THE_PILLAR, THE_TOOTH, THE_HOOK, THE_WALL, THE_WATER,
    THE_NEEDLE, THE_MANACLE, THE_OX, VIOLET_VESSEL, CRIMSON_HEART, CERULEAN_BELL,
) = range(NUM_BOSSES)  # fmt: skip

BOSS_NAMES = tuple(boss.name for boss in BOSSES)
MIN_ANTE = np.array([boss.min_ante for boss in BOSSES], np.int32)
FINISHER = np.array([boss.finisher for boss in BOSSES])
FACTOR = np.array([boss.factor for boss in BOSSES], np.int32)
DEBUFFS = np.array([boss.debuffs for boss in BOSSES], np.int32)


def enabled_bosses(choice: Iterable[str | int] | None = None) -> np.ndarray:
    """Bosses that a game may draw, bool [NUM_BOSSES], from names or numbers; None: all.

    Raises:
        ValueError: for an unknown boss, or if none of them may appear at ante 1.
    """
    enabled = enabled_by_name("bosses", choice, BOSS_NAMES)
    if not (enabled & ~FINISHER & (MIN_ANTE == 1)).any():
        early = [boss.name for boss in BOSSES[1:] if boss.min_ante == 1]
        raise ValueError(
            f"bosses={choice!r} leaves ante 1 without a boss; add one of {', '.join(early)}."
        )
    return enabled


def debuffed(
    cards: Int[Array, "*slot"], boss: Int[Array, ""], played_this_ante: Bool[Array, "52"]
) -> Bool[Array, "*slot"]:
    """True for cards without effect; they still count for the type of the hand."""
    disliked = card_flags.of_card(cards) & jnp.asarray(DEBUFFS)[boss] != 0
    tired = (boss == THE_PILLAR) & played_this_ante[jnp.clip(cards, 0, NUM_CARDS - 1)]
    return (disliked | tired) & (cards != EMPTY)


def blocked(
    boss: Int[Array, ""],
    num_played: Int[Array, ""],
    kind: Int[Array, ""],
    eye_used: Bool[Array, "12"],
    mouth_type: Int[Array, ""],
) -> Bool[Array, ""]:
    """True if the boss lets a hand of this type and number of cards score nothing."""
    too_few = (boss == THE_PSYCHIC) & (num_played < 5)
    seen = (boss == THE_EYE) & eye_used[kind]
    other = (boss == THE_MOUTH) & (mouth_type >= 0) & (mouth_type != kind)
    return too_few | seen | other


def record_hand_type(
    kind: Int[Array, ""],
    is_blocked: Bool[Array, ""],
    eye_used: Bool[Array, "12"],
    mouth_type: Int[Array, ""],
) -> tuple[Bool[Array, "12"], Int[Array, ""]]:
    """`eye_used` and `mouth_type` after a hand; a blocked hand changes neither."""
    eye_used = eye_used | (jnp.arange(NUM_HANDS) == kind) & ~is_blocked
    mouth_type = jnp.where((mouth_type < 0) & ~is_blocked, kind, mouth_type)
    return eye_used, mouth_type
