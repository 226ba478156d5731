"""Records of a Hamlet world file: meters, affordances, rules and rewards.

`tables.py` turns them into arrays; nothing here knows of jax.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from elsinore import validation
from elsinore.worlds.hamlet.record import WorldRecord, check_cell

MOVES = ("up", "down", "left", "right")
BASIC_ACTIONS = (*MOVES, "interact")  # every world has these, in this order
VIEW_SIZE = 5  # cells: side of the window of a "5x5" view

Amounts = dict[str, float]  # by meter
Cell = tuple[int, int]  # x to the right, y down, from 0 at the top left


@dataclass(frozen=True)
class Meter(WorldRecord):
    """A quantity of the agent, between `low` and `high`."""

    amounts: ClassVar = ("move_cost", "interact_cost", "fail_cost")
    pairs: ClassVar = ("random_start",)

    name: str
    initial: float
    low: float = 0.0
    high: float = 100.0
    drain: float = 0.0  # lost each step; a negative one is gained
    fatal: bool = False  # the agent dies where it is at `low` after a step
    good: str = "high"  # high | low
    move_cost: float = 0.0  # lost by a move, also by one into a wall
    interact_cost: float = 0.0  # lost by interacting, used or not
    fail_cost: float = 0.0  # lost by interacting in vain, on top of that
    # range of random starts; by default its better 60 %
    random_start: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.one_of(self, "good", "high", "low")

    @property
    def starts(self) -> tuple[float, float]:
        """Range from which a random start draws the meter."""
        edge = 0.4 * (self.high - self.low)
        better = (
            (self.low + edge, self.high) if self.good == "high" else (self.low, self.high - edge)
        )
        return self.random_start or better


@dataclass(frozen=True)
class ProfileAction(WorldRecord):
    """An action beside moving and interacting."""

    name: str
    effects: Amounts = field(default_factory=dict)


@dataclass(frozen=True)
class Reduced(WorldRecord):
    """Replacement effects of a use by an agent with a meter below its threshold."""

    below: Amounts  # any of these meters under its number, before the step
    effects: Amounts


@dataclass(frozen=True)
class Affordance(WorldRecord):
    """An object to use. A use takes `duration` ticks: all in one step, or one a step in a temporal
    world."""

    amounts: ClassVar = ("price", "tick_price")
    counts: ClassVar = ("code", "duration")
    pairs: ClassVar = ("hours",)
    cells: ClassVar = ("cell",)

    name: str
    cell: Any = "random"  # a `Cell`, or drawn anew for each episode
    # its number in a view of codes; by default its place in the list, from 1
    code: int | None = None
    price: float = 0.0  # money for the whole use, in a world that is not temporal
    tick_price: float = 0.0  # money for a tick, in a temporal one
    duration: int = 1
    per_tick: Amounts = field(default_factory=dict)
    effects: Amounts = field(default_factory=dict)  # when the use is complete
    reduced: Reduced | None = None
    # gains for the shaped reward, where they differ from `effects`
    advertised: Amounts | None = None
    # open from, until; past 24 is past midnight. Temporal worlds only
    hours: tuple[int, ...] = (0, 24)
    role: str = "ground"  # how a renderer shows it: one of scene.ROLES

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.duration >= 2**31:
            raise ValueError(f"duration={self.duration} is beyond 32 bits; use fewer ticks.")


@dataclass(frozen=True)
class Cascade(WorldRecord):
    """A meter below a threshold drains another: by up to `strength` a step, when the first is at
    0."""

    amounts: ClassVar = ("strength",)

    source: str
    target: str
    below: float
    strength: float

    def __post_init__(self) -> None:
        super().__post_init__()
        validation.positive(self, "below")


@dataclass(frozen=True)
class Decline(WorldRecord):
    """`target` loses `rate` a step, times a factor from `at_low` to `at_high` as `by` fills up."""

    amounts: ClassVar = ("rate", "at_low", "at_high")

    target: str
    by: str
    rate: float
    at_low: float
    at_high: float


@dataclass(frozen=True)
class Profile:
    """One Hamlet world: its rules, and the defaults of its observation and reward."""

    name: str
    meters: tuple[Meter, ...]
    affordances: tuple[Affordance, ...]
    grid: tuple[int, ...] = (8, 8)  # width, height
    start: Any = "random"  # or a `Cell`
    max_steps: int = 500
    actions: tuple[ProfileAction, ...] = ()  # after the five basic ones
    disabled: tuple[str, ...] = ()  # actions that the mask forbids
    deployed: tuple[str, ...] | None = None  # affordances that are in the world; None: all
    temporal: bool = False  # a use takes a tick a step, and there is a time of day
    # whole steps in 1 of a meter: exact. 0: meters are float32
    resolution: int = 1000
    cascades: tuple[Cascade, ...] = ()
    declines: tuple[Decline, ...] = ()
    view: str = "full"  # full | 5x5
    vector: str = "codes"  # codes | fields: the form of the original observation
    position_scale: str = "size"  # size: positions are seen as x / width | last: x / (width - 1)
    mask: bool = False  # default of env_kwargs.mask
    reward: str = "sparse"  # default of env_kwargs.reward
    rewards: dict[str, Any] = field(default_factory=dict)  # name -> a record of `incentives.py`

    def __post_init__(self) -> None:
        validation.at_least(self, 1, "max_steps")
        if self.max_steps >= 2**31:
            raise ValueError(f"max_steps={self.max_steps} is beyond 32 bits; use a lower limit.")
        validation.at_least(self, 0, "resolution")
        validation.one_of(self, "view", "full", "5x5")
        validation.one_of(self, "vector", "codes", "fields")
        validation.one_of(self, "position_scale", "size", "last")
        if len(self.grid) != 2 or min(self.grid) < 1:
            raise ValueError(f"grid={list(self.grid)} must be width and height, each at least 1.")
        check_cell(self, "start")

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
