"""Stages of the rules: a static number, so that the compiled program has only what is on."""

from enum import IntEnum


class Stage(IntEnum):
    HANDS, SHOP, JOKERS, BOSSES, CHANCE = range(5)


STAGE_CONTENTS = (
    "hands, targets, winning and losing",
    "money, and a shop with planets",
    "jokers that leave nothing to chance",
    "boss effects",
    "jokers of chance, tarots and vouchers",
)


def check_stage(stage: int) -> None:
    """Raise an error for a stage that does not exist.

    Raises:
        ValueError: with the known stages.
    """
    if isinstance(stage, bool) or stage not in range(len(STAGE_CONTENTS)):
        known = "; ".join(f"{number}: + {what}" for number, what in enumerate(STAGE_CONTENTS))
        raise ValueError(f"stage={stage!r} is no stage of Balatro; choose one of {known}.")


def doubts(stage: int, max_ante: int) -> list[str]:
    """Warnings for runs that are hardly ever or never won.

    The best hand is a royal flush, 1,208 points at level 1, and levels and jokers come only from
    the shop: four hands make at most 4,832 points, and the small blind of ante 4 needs 5,000. At
    ante 2 a search over thousands of games from every decision wins 1.3 % of its runs, and 94 % at
    ante 1.
    """
    if stage >= Stage.SHOP or max_ante < 2:
        return []
    if max_ante < 4:
        return [
            f"max_ante={max_ante} is hardly ever won at stage 0 (1.3 % at ante 2 by the best known"
            " policy); use 1."
        ]
    return [
        f"max_ante={max_ante} cannot be won at stage 0: no four hands make the 5,000 points of ante"
        " 4; use 1."
    ]
