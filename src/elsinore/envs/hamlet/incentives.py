"""The kinds of reward a Hamlet world may pay, as data; `rewards.py` says what each pays."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid")
Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]  # of a meter's range
Names = tuple[str, ...]  # of meters


@dataclass(frozen=True)
class Needs:
    """1 a step alive; less for each need that is low, or none too good; and a price for death."""

    __pydantic_config__ = STRICT

    kind: Literal["needs"]
    needs: Names
    alive: Number = 1.0
    low: Share = 0.2  # under this `low_penalty` is due, else under the next `mild_penalty`
    mild: Share = 0.5


@dataclass(frozen=True)
class Comfort:
    """Something for a step survived, more where all is well; death pays its penalty and nothing else."""

    __pydantic_config__ = STRICT

    kind: Literal["comfort"]
    meters: Names
    alive: Number = 0.1
    bonus: Number = 0.05
    at: Share = 0.75


@dataclass(frozen=True)
class Tier:
    """What a meter pays each step by where it stands: `pays[i]` between `edges[i - 1]` and `edges[i]`."""

    __pydantic_config__ = STRICT

    meter: str
    edges: tuple[Share, ...]  # rising
    pays: tuple[Number, ...]  # one more than there are edges
    edge_is: Literal["below", "above"] = "below"  # which side a meter exactly at an edge is on


@dataclass(frozen=True)
class Beacon:
    """Where to go when a meter is bad."""

    __pydantic_config__ = STRICT

    meter: str
    affordance: str


@dataclass(frozen=True)
class Tiered:
    """Each step by the state of the meters, and hints: uses that met a need, nearness to what is needed most."""

    __pydantic_config__ = STRICT

    kind: Literal["tiered"]
    tiers: tuple[Tier, ...]
    use: Number = 0.0  # for each 1 of a meter gained, times how much of it was missing
    money_urgency: Number = 1.5  # money counts as missing this many times as much, up to all of it
    proximity: Number = 0.0  # times urgency, times 1 - distance / (width + height)
    beacons: tuple[Beacon, ...] = ()  # of equally urgent ones the first


@dataclass(frozen=True)
class Milestone:
    """Nothing but anniversaries: something every so many steps lived."""

    __pydantic_config__ = STRICT

    kind: Literal["milestone"]
    every: tuple[tuple[Annotated[int, Field(ge=1)], Number], ...] = ((10, 0.5), (100, 5.0))


@dataclass(frozen=True)
class Product:
    """The product of meters, each from 0 to 1, and a bonus for reaching the end."""

    __pydantic_config__ = STRICT

    kind: Literal["product"]
    meters: Names
    base: Number = 1.0
    retirement: Number = 1.0


@dataclass(frozen=True)
class Linear:
    """A base, more or less by where meters stand around a middle, and a bonus for reaching the end."""

    __pydantic_config__ = STRICT

    kind: Literal["linear"]
    weights: dict[str, Number]
    base: Number = 1.0
    around: Share = 0.5
    retirement: Number = 1.0


@dataclass(frozen=True)
class Hints:
    """What a beginner is told: live, go to bed when tired, do what improves your meters."""

    __pydantic_config__ = STRICT

    kind: Literal["hints"]
    meter: str  # the one that makes tired
    affordance: str  # the bed
    improves: Names
    below: Share = 0.3  # tired
    alive: Number = 1.0


@dataclass(frozen=True)
class Potential(Hints):
    """The same hints as differences of a potential, which cannot change what is best to do."""

    kind: Literal["potential"]


Incentive = Annotated[
    Needs | Comfort | Tiered | Milestone | Product | Linear | Hints | Potential, Field(discriminator="kind")
]
