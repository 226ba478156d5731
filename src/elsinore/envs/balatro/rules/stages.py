"""How much of the game there is: a static number, so that what is off is compiled away."""

HANDS, SHOP, JOKERS, BOSSES, CHANCE = range(5)

STAGES = (
    "hands, targets, winning and losing",
    "money, and a shop with planets",
    "jokers that leave nothing to chance",
    "boss effects",
    "jokers of chance, tarots and vouchers",
)


def check_stage(stage: int) -> None:
    """Refuse a stage that does not exist.

    Raises:
        ValueError: naming the stages there are.
    """
    if isinstance(stage, bool) or stage not in range(len(STAGES)):
        known = "; ".join(f"{number}: + {what}" for number, what in enumerate(STAGES))
        raise ValueError(f"stage={stage!r} is no stage of Balatro; choose one of {known}.")


def doubts(stage: int, max_ante: int) -> list[str]:
    """Why a run can hardly be won, or not at all, by any player.

    The best hand is a royal flush, 1,208 points at level 1, and levels and jokers come from the shop alone: four hands
    make 4,832 points, and the small blind of ante 4 asks for 5,000. At ante 2 a search over thousands of games from
    every decision wins 1.3 % of its runs, and 94 % at ante 1.
    """
    if stage >= SHOP or max_ante < 2:
        return []
    if max_ante < 4:
        return [f"max_ante={max_ante} is won hardly ever at stage 0 (1.3 % at ante 2 by the best player known); use 1."]
    return [f"max_ante={max_ante} cannot be won at stage 0: no four hands make the 5,000 points of ante 4; use 1."]
