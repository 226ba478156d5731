"""Reward terms of a Hamlet profile, as data; `rewards.py` computes them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid")
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]  # of a meter's range
Names = tuple[str, ...]  # of meters


@dataclass(frozen=True)
class NeedsReward:
    """1 per step alive, less a penalty for each need below `low` or `mild`, less a death
    penalty."""

    __pydantic_config__ = STRICT

    kind: Literal["needs"]
    needs: Names
    alive: Number = 1.0
    low: Share = 0.2  # under this `low_penalty` is due, else under the next `mild_penalty`
    mild: Share = 0.5


@dataclass(frozen=True)
class ComfortReward:
    """`alive` per step survived, plus `bonus` while every meter is above `at`; -death_penalty on
    death."""

    __pydantic_config__ = STRICT

    kind: Literal["comfort"]
    meters: Names
    alive: Number = 0.1
    bonus: Number = 0.05
    at: Share = 0.75


@dataclass(frozen=True)
class MeterTier:
    """Pay per step by a meter's level: `pays[i]` between `edges[i - 1]` and `edges[i]`."""

    __pydantic_config__ = STRICT

    meter: str
    edges: tuple[Share, ...]  # rising
    pays: tuple[Number, ...]  # one more than there are edges
    edge_is: Literal["below", "above"] = "below"  # which side a meter exactly at an edge is on


@dataclass(frozen=True)
class Beacon:
    """An affordance to approach while a meter is bad."""

    __pydantic_config__ = STRICT

    meter: str
    affordance: str


@dataclass(frozen=True)
class TieredReward:
    """Pay by the levels of all meters, plus hints: uses that met a need, nearness to the most
    urgent."""

    __pydantic_config__ = STRICT

    kind: Literal["tiered"]
    tiers: tuple[MeterTier, ...]
    use: Number = 0.0  # for each 1 of a meter gained, times how much of it was missing
    money_urgency: Number = 1.5  # money counts as missing this many times as much, up to all of it
    proximity: Number = 0.0  # times urgency, times 1 - distance / (width + height)
    beacons: tuple[Beacon, ...] = ()  # of equally urgent ones the first


@dataclass(frozen=True)
class MilestoneReward:
    """A bonus every so many steps survived, and nothing in between."""

    __pydantic_config__ = STRICT

    kind: Literal["milestone"]
    every: tuple[tuple[Annotated[int, Field(ge=1)], Number], ...] = ((10, 0.5), (100, 5.0))


@dataclass(frozen=True)
class ProductReward:
    """Product of meters, each from 0 to 1, and a bonus for reaching the time limit."""

    __pydantic_config__ = STRICT

    kind: Literal["product"]
    meters: Names
    base: Number = 1.0
    retirement: Number = 1.0


@dataclass(frozen=True)
class LinearReward:
    """A base plus weighted deviations of meters from `around`, and a bonus for reaching the time
    limit."""

    __pydantic_config__ = STRICT

    kind: Literal["linear"]
    weights: dict[str, Number]
    base: Number = 1.0
    around: Share = 0.5
    retirement: Number = 1.0


@dataclass(frozen=True)
class HintsReward:
    """Beginner's shaping: stay alive, go to bed when tired, improve your meters."""

    __pydantic_config__ = STRICT

    kind: Literal["hints"]
    meter: str  # the agent is tired below `below` of it
    affordance: str  # the bed
    improves: Names
    below: Share = 0.3  # tired
    alive: Number = 1.0


@dataclass(frozen=True)
class PotentialReward(HintsReward):
    """The same hints as differences of a potential, which keep the optimal policies (Ng 1999)."""

    kind: Literal["potential"]


RewardTerm = Annotated[
    NeedsReward
    | ComfortReward
    | TieredReward
    | MilestoneReward
    | ProductReward
    | LinearReward
    | HintsReward
    | PotentialReward,
    Field(discriminator="kind"),
]
