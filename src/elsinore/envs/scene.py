"""Scenes: plain data that describes an environment's state to renderers.

A scene has positions and roles (`food`, `danger`); a renderer decides on colours, fonts and pixels.
The same scene is drawn in a terminal, as an image and, through `to_json`, on a page.
"""

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

# The roles of things. Each renderer has a colour for each, and never shows a role by colour alone.
ROLES = (
    # text and lines, background, solid, passable
    "ink", "faint", "wall", "ground",
    "agent", "rival", "goal",  # the agent, its opponent, its aim
    "food", "rest", "wash", "work", "play", "care",  # needs
    "danger", "calm", "gain",  # deadly, safe, rewarding
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """Something in a cell: a tile fills it, a token stands on it."""

    x: int  # column, 0 at the left
    y: int  # row, 0 at the top
    label: str  # a word, truncated to fit
    role: str
    token: bool = False

    @property
    def sign(self) -> str:
        """The label on a token: its first letter, or all of up to 3 letters that end in a digit."""
        whole = self.label[-1:].isdigit() and len(self.label) <= 3
        return self.label if whole else self.label[:1].upper()


@dataclass(frozen=True)
class Grid:
    """A board of cells. Later things are drawn over earlier ones."""

    title: str
    width: int  # cells
    height: int
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Bar:
    """A bar from empty to full."""

    name: str
    value: float  # 0 .. 1
    shown: str  # the text beside it, with its unit
    role: str = "calm"
    danger_below: float | None = None  # thresholds in units of `value`
    danger_above: float | None = None

    @property
    def in_danger(self) -> bool:
        low = self.danger_below is not None and self.value <= self.danger_below
        return low or (self.danger_above is not None and self.value >= self.danger_above)


@dataclass(frozen=True)
class Bars:
    """Quantities of the state, one bar each."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Card:
    """A card: a label in large, a note in small."""

    label: str
    about: str = ""
    role: str = "ink"
    marked: bool = False  # raised out of the row


@dataclass(frozen=True)
class Cards:
    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Line:
    """Points joined by straight lines."""

    points: tuple[tuple[float, float], ...]
    role: str = "ink"
    thickness: float = 0.01


@dataclass(frozen=True)
class Circle:
    x: float
    y: float
    radius: float
    role: str = "ink"


@dataclass(frozen=True)
class Rectangle:
    x: float  # of its centre
    y: float
    width: float
    height: float
    role: str = "ink"


@dataclass(frozen=True)
class Words:
    """Text centred on a point."""

    x: float
    y: float
    text: str
    role: str = "ink"


Shape = Line | Circle | Rectangle | Words


@dataclass(frozen=True)
class Figure:
    """A drawing in units of its height: y goes up from 0 to 1, x right from 0 to `aspect`."""

    title: str
    aspect: float  # width / height
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Key:
    """The name and role of a kind of pixel."""

    name: str
    role: str


@dataclass(frozen=True)
class Pixels:
    """A grid of pixels of few kinds."""

    title: str
    rows: tuple[tuple[int, ...], ...]  # each an index into `keys`, or -1 for none
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Shades:
    """An array of numbers, from `low` (dark) to `high` (bright)."""

    title: str
    rows: tuple[tuple[float, ...], ...]  # 0 .. 1
    low: str  # the text of the values 0 and 1
    high: str


@dataclass(frozen=True)
class Picture:
    """An image that the environment's library drew; `envs.picture` makes one."""

    title: str
    width: int  # pixels
    height: int
    png: str  # in base64


@dataclass(frozen=True)
class Facts:
    """A table of names and values."""

    title: str
    rows: tuple[tuple[str, str], ...]  # name, value with its unit


@dataclass(frozen=True)
class Choice:
    """One action."""

    name: str
    value: float
    chosen: bool = False
    legal: bool = True


@dataclass(frozen=True)
class Choices:
    """The actions, with the policy's value of each."""

    title: str
    measure: str  # of the values: "probability" (0 .. 1), or "action value" (any number)
    choices: tuple[Choice, ...]


Panel = Grid | Bars | Cards | Figure | Pixels | Shades | Picture | Facts | Choices


@dataclass(frozen=True)
class Scene:
    """All panels of one step."""

    title: str
    panels: tuple[Panel, ...]


def to_json(thing: Any) -> Any:
    """A scene as JSON data; each panel and shape has its class name in `kind`."""
    if is_dataclass(thing):
        kind = {"kind": type(thing).__name__.lower()}
        return kind | {field.name: to_json(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, tuple):
        return [to_json(part) for part in thing]
    return thing


def rounded(x: Any, digits: int = 3) -> str:
    """A number as text, with about `digits` significant digits and no needless exponent."""
    x = float(x)
    if not math.isfinite(x):
        return "not a number" if math.isnan(x) else "∞" if x > 0 else "-∞"
    if x == int(x) and abs(x) < 1e7:
        return f"{int(x):,}"
    if not 1e-4 <= abs(x) < 1e7:
        return f"{x:.{digits - 1}e}"
    return f"{x:,.{max(digits - 1 - math.floor(math.log10(abs(x))), 0)}f}"
