"""Records of a Hamlet world file: meters, affordances, rules and rewards.

`tables.py` turns them into arrays; nothing here knows of jax.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from elsinore.worlds.hamlet.incentives import RewardTerm

MOVES = ("up", "down", "left", "right")
BASIC_ACTIONS = (*MOVES, "interact")  # every world has these, in this order
WINDOW = 5  # cells: side of the window of a "5x5" view

Number = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Amounts = dict[str, Number]  # by meter
Count = Annotated[int, Field(ge=1)]
Cell = tuple[int, int]  # x to the right, y down, from 0 at the top left


STRICT = ConfigDict(extra="forbid")  # an unknown key is a mistake


@dataclass(frozen=True)
class Meter:
    """A quantity of the agent, between `low` and `high`."""

    __pydantic_config__ = STRICT

    name: str
    initial: Number
    low: Number = 0.0
    high: Number = 100.0
    drain: Number = 0.0  # lost each step; a negative one is gained
    fatal: bool = False  # the agent dies where it is at `low` after a step
    good: Literal["high", "low"] = "high"
    move_cost: Amount = 0.0  # lost by a move, also by one into a wall
    interact_cost: Amount = 0.0  # lost by interacting, used or not
    fail_cost: Amount = 0.0  # lost by interacting in vain, on top of that
    # range of random starts; by default its better 60 %
    random_start: tuple[Number, Number] | None = None

    @property
    def starts(self) -> tuple[float, float]:
        """Range from which a random start draws the meter."""
        edge = 0.4 * (self.high - self.low)
        better = (
            (self.low + edge, self.high) if self.good == "high" else (self.low, self.high - edge)
        )
        return self.random_start or better


@dataclass(frozen=True)
class Action:
    """An action beside moving and interacting."""

    __pydantic_config__ = STRICT

    name: str
    effects: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class Reduced:
    """Replacement effects of a use by an agent with a meter below its threshold."""

    __pydantic_config__ = STRICT

    below: Amounts  # any of these meters under its number, before the step
    effects: Amounts


@dataclass(frozen=True)
class Affordance:
    """An object to use. A use takes `duration` ticks: all in one step, or one a step in a temporal
    world."""

    __pydantic_config__ = STRICT

    name: str
    cell: Cell | Literal["random"] = "random"  # drawn anew for each episode
    # its number in a view of codes; by default its place in the list, from 1
    code: Annotated[int, Field(ge=1)] | None = None
    price: Amount = 0.0  # money for the whole use, in a world that is not temporal
    tick_price: Amount = 0.0  # money for a tick, in a temporal one
    duration: Count = 1
    per_tick: Amounts = field(default_factory=dict)
    effects: Amounts = field(default_factory=dict)  # when the use is complete
    reduced: Reduced | None = None
    # gains for the shaped reward, where they differ from `effects`
    advertised: Amounts | None = None
    # open from, until; past 24 is past midnight. Temporal worlds only
    hours: tuple[int, int] = (0, 24)
    role: str = "ground"  # how a renderer shows it: one of scene.ROLES


@dataclass(frozen=True)
class Cascade:
    """A meter below a threshold drains another: by up to `strength` a step, when the first is at
    0."""

    __pydantic_config__ = STRICT

    source: str
    target: str
    below: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    strength: Amount


@dataclass(frozen=True)
class Decline:
    """`target` loses `rate` a step, times a factor from `at_low` to `at_high` as `by` fills up."""

    __pydantic_config__ = STRICT

    target: str
    by: str
    rate: Amount
    at_low: Amount
    at_high: Amount


@dataclass(frozen=True)
class Profile:
    """One Hamlet world: its rules, and the defaults of its observation and reward."""

    __pydantic_config__ = STRICT

    name: str
    meters: tuple[Meter, ...]
    affordances: tuple[Affordance, ...]
    grid: tuple[Count, Count] = (8, 8)  # width, height
    start: Cell | Literal["random"] = "random"
    max_steps: Count = 500
    actions: tuple[Action, ...] = ()  # after the five basic ones
    disabled: tuple[str, ...] = ()  # actions that the mask forbids
    deployed: tuple[str, ...] | None = None  # affordances that are in the world; None: all
    temporal: bool = False  # a use takes a tick a step, and there is a time of day
    # whole steps in 1 of a meter: exact. 0: meters are float32
    resolution: Annotated[int, Field(ge=0)] = 1000
    cascades: tuple[Cascade, ...] = ()
    declines: tuple[Decline, ...] = ()
    view: Literal["full", "5x5"] = "full"
    vector: Literal["codes", "fields"] = "codes"  # the form of the original observation
    # positions are seen as x / width, or x / (width - 1)
    position_scale: Literal["size", "last"] = "size"
    mask: bool = False  # default of env_kwargs.mask
    reward: str = "sparse"  # default of env_kwargs.reward
    rewards: dict[str, RewardTerm] = field(default_factory=dict)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(repr(self))

    @property
    def meter_names(self) -> tuple[str, ...]:
        return tuple(meter.name for meter in self.meters)

    @property
    def affordance_names(self) -> tuple[str, ...]:
        return tuple(affordance.name for affordance in self.affordances)

    @property
    def action_names(self) -> tuple[str, ...]:
        return BASIC_ACTIONS + tuple(action.name for action in self.actions)

    @property
    def codes(self) -> tuple[int, ...]:
        """Code of each affordance in a view of codes; the agent's is `agent_code`."""
        return tuple(
            place if a.code is None else a.code for place, a in enumerate(self.affordances, 1)
        )

    @property
    def agent_code(self) -> int:
        return max(self.codes, default=0) + 1

    @property
    def placed(self) -> tuple[int, ...]:
        """Indices of the affordances that are in the world."""
        return tuple(
            i
            for i, a in enumerate(self.affordances)
            if self.deployed is None or a.name in self.deployed
        )

    @property
    def drawn(self) -> tuple[int, ...]:
        """Indices of the placed affordances whose cells each episode draws."""
        return tuple(i for i in self.placed if self.affordances[i].cell == "random")

    @property
    def needs(self) -> tuple[str, ...]:
        """Meters that kill at their lowest."""
        return tuple(meter.name for meter in self.meters if meter.fatal)
