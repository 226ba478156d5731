"""Reward terms of a Hamlet profile, as data; `rewards.py` computes them."""

import math
from dataclasses import dataclass
from typing import ClassVar

from elsinore import validation
from elsinore.worlds.hamlet.record import WorldRecord

Names = tuple[str, ...]  # of meters


@dataclass(frozen=True)
class NeedsReward(WorldRecord):
    """1 per step alive, less a penalty for each need below `low` or `mild`, less a death
    penalty."""

    shares: ClassVar = ("low", "mild")

    needs: Names
    alive: float = 1.0
    low: float = 0.2  # under this `low_penalty` is due, else under the next `mild_penalty`
    mild: float = 0.5


@dataclass(frozen=True)
class ComfortReward(WorldRecord):
    """`alive` per step survived, plus `bonus` while every meter is above `at`; -death_penalty on
    death."""

    shares: ClassVar = ("at",)

    meters: Names
    alive: float = 0.1
    bonus: float = 0.05
    at: float = 0.75


@dataclass(frozen=True)
class MeterTier(WorldRecord):
    """Pay per step by a meter's level: `pays[i]` between `edges[i - 1]` and `edges[i]`."""

    shares: ClassVar = ("edges",)

    meter: str
    edges: tuple[float, ...]  # rising
    pays: tuple[float, ...]  # one more than there are edges
    edge_is: str = "below"  # below | above: the side of a meter exactly at an edge

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.one_of(self, "edge_is", "below", "above")


@dataclass(frozen=True)
class Beacon(WorldRecord):
    """An affordance to approach while a meter is bad."""

    meter: str
    affordance: str


@dataclass(frozen=True)
class TieredReward(WorldRecord):
    """Pay by the levels of all meters, plus hints: uses that met a need, nearness to the most
    urgent."""

    tiers: tuple[MeterTier, ...]
    use: float = 0.0  # for each 1 of a meter gained, times how much of it was missing
    money_urgency: float = 1.5  # money counts as missing this many times as much, up to all of it
    proximity: float = 0.0  # times urgency, times 1 - distance / (width + height)
    beacons: tuple[Beacon, ...] = ()  # of equally urgent ones the first


@dataclass(frozen=True)
class MilestoneReward(WorldRecord):
    """A bonus every so many steps survived, and nothing in between."""

    every: tuple[tuple[float, ...], ...] = ((10, 0.5), (100, 5.0))  # (steps, bonus)

    def __post_init__(self) -> None:
        for row in self.every:
            if len(row) != 2 or not all(map(math.isfinite, row)) or row[0] % 1 or row[0] < 1:
                raise ValueError(
                    f"every={list(row)} must be a whole number of steps, at least 1, and a finite"
                    " bonus."
                )
        object.__setattr__(self, "every", tuple((int(n), bonus) for n, bonus in self.every))


@dataclass(frozen=True)
class ProductReward(WorldRecord):
    """Product of meters, each from 0 to 1, and a bonus for reaching the time limit."""

    meters: Names
    base: float = 1.0
    retirement: float = 1.0


@dataclass(frozen=True)
class LinearReward(WorldRecord):
    """A base plus weighted deviations of meters from `around`, and a bonus for reaching the time
    limit."""

    shares: ClassVar = ("around",)

    weights: dict[str, float]
    base: float = 1.0
    around: float = 0.5
    retirement: float = 1.0


@dataclass(frozen=True)
class HintsReward(WorldRecord):
    """Beginner's shaping: stay alive, go to bed when tired, improve your meters."""

    shares: ClassVar = ("below",)

    meter: str  # the agent is tired below `below` of it
    affordance: str  # the bed
    improves: Names
    below: float = 0.3  # tired
    alive: float = 1.0


@dataclass(frozen=True)
class PotentialReward(HintsReward):
    """The same hints as differences of a potential, which keep the optimal policies (Ng 1999)."""


INCENTIVES = {
    "needs": NeedsReward,
    "comfort": ComfortReward,
    "tiered": TieredReward,
    "milestone": MilestoneReward,
    "product": ProductReward,
    "linear": LinearReward,
    "hints": HintsReward,
    "potential": PotentialReward,
}
