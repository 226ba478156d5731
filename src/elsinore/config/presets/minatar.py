"""MinAtar's games, which share a preset of each algorithm."""

from copy import deepcopy
from typing import Any

GAMES = ("Asterix", "Breakout", "Freeway", "SpaceInvaders")


def in_each_game(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same settings for each game, by its name."""
    return {f"{game}-MinAtar": deepcopy(settings) for game in GAMES}
