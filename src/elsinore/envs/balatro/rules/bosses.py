"""Boss blinds: which cards they debuff, which hands they block, and what else is known of them before a hand."""

from collections.abc import Iterable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from elsinore.envs.balatro.rules import marks
from elsinore.envs.balatro.rules.cards import EMPTY, NUM_CARDS
from elsinore.envs.balatro.rules.hands import NUM_HANDS
from elsinore.envs.balatro.rules.names import chosen


@dataclass(frozen=True)
class Boss:
    """A boss as data. What it does beyond debuffing is told by its index."""

    name: str
    min_ante: int
    debuffs: int = 0  # marks of rank and suit
    factor: int = 2  # of the ante's base requirement
    hands: int | None = None  # hands a round, None: as many as usual; so the next two
    discards: int | None = None
    hand_size: int | None = None
    finisher: bool = False  # appears at antes 8, 16, ... and only there


# Bosses that hide cards or jokers, The Serpent and Verdant Leaf are left out: they do not fit in arrays of eight cards
# that are all seen and jokers that are sold in the shop only.
BOSSES = (
    Boss("none", 1),
    Boss("The Club", 1, debuffs=marks.CLUBS),
    Boss("The Goad", 1, debuffs=marks.SPADES),
    Boss("The Head", 1, debuffs=marks.HEARTS),
    Boss("The Window", 1, debuffs=marks.DIAMONDS),
    Boss("The Plant", 4, debuffs=marks.FACES),
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
(NO_BOSS, CLUB, GOAD, HEAD, WINDOW, PLANT, FLINT, ARM, PSYCHIC, EYE, MOUTH, PILLAR, TOOTH, HOOK, WALL, WATER, NEEDLE,
 MANACLE, OX, VIOLET_VESSEL, CRIMSON_HEART, CERULEAN_BELL) = range(NUM_BOSSES)  # fmt: skip

BOSS_NAMES = tuple(boss.name for boss in BOSSES)
MIN_ANTE = np.array([boss.min_ante for boss in BOSSES], np.int32)
FINISHER = np.array([boss.finisher for boss in BOSSES])
FACTOR = np.array([boss.factor for boss in BOSSES], np.int32)
DEBUFFS = np.array([boss.debuffs for boss in BOSSES], np.int32)


def enabled_bosses(choice: Iterable[str | int] | None = None) -> np.ndarray:
    """Which bosses a game may draw, bool [NUM_BOSSES], from names or numbers; None means all of them.

    Raises:
        ValueError: naming a boss that is unknown, or when none of the chosen ones may appear at ante 1.
    """
    enabled = chosen("bosses", choice, BOSS_NAMES)
    if not (enabled & ~FINISHER & (MIN_ANTE == 1)).any():
        early = [boss.name for boss in BOSSES[1:] if boss.min_ante == 1]
        raise ValueError(f"bosses={choice!r} leaves ante 1 without a boss; add one of {', '.join(early)}.")
    return enabled


def debuffed(
    cards: Int[Array, "*slot"], boss: Int[Array, ""], played_this_ante: Bool[Array, "52"]
) -> Bool[Array, "*slot"]:
    """Which cards give nothing and trigger nothing, though they still count for the type of the hand."""
    disliked = marks.of_card(cards) & jnp.asarray(DEBUFFS)[boss] != 0
    tired = (boss == PILLAR) & played_this_ante[jnp.clip(cards, 0, NUM_CARDS - 1)]
    return (disliked | tired) & (cards != EMPTY)


def blocked(
    boss: Int[Array, ""],
    num_played: Int[Array, ""],
    kind: Int[Array, ""],
    eye_used: Bool[Array, "12"],
    mouth_type: Int[Array, ""],
) -> Bool[Array, ""]:
    """Whether a hand of that type and number of cards scores nothing at all."""
    too_few = (boss == PSYCHIC) & (num_played < 5)
    seen = (boss == EYE) & eye_used[kind]
    other = (boss == MOUTH) & (mouth_type >= 0) & (mouth_type != kind)
    return too_few | seen | other


def remembered(
    kind: Int[Array, ""], is_blocked: Bool[Array, ""], eye_used: Bool[Array, "12"], mouth_type: Int[Array, ""]
) -> tuple[Bool[Array, "12"], Int[Array, ""]]:
    """`eye_used` and `mouth_type` after a hand; a blocked one is forgotten. Both begin afresh each round."""
    eye_used = eye_used | (jnp.arange(NUM_HANDS) == kind) & ~is_blocked
    mouth_type = jnp.where((mouth_type < 0) & ~is_blocked, kind, mouth_type)
    return eye_used, mouth_type
