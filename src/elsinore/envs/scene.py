"""What there is to see of a world, as plain data: a vocabulary for worlds to speak and for renderers to draw.

A world says where things are and what they mean (`food`, `danger`); a renderer decides on colours, fonts and pixels.
The same scene is drawn in a terminal, as an image and on a page: `to_json` is what travels.
"""

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

# What things can mean. Each renderer has a colour for each: nothing is told by colour alone.
ROLES = (
    "ink", "faint", "wall", "ground",  # words and lines, what is in the background, what is solid, what is not
    "agent", "rival", "goal",  # who acts, who acts against it, what it is after
    "food", "rest", "wash", "work", "play", "care",  # what a living thing needs
    "danger", "calm", "gain",  # what kills, what is well, what pays
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """Something in a cell: a tile fills it, a token stands on it."""

    x: int  # column, 0 at the left
    y: int  # row, 0 at the top
    label: str  # a word, cut where there is no room for it
    role: str
    token: bool = False

    @property
    def sign(self) -> str:
        """What there is room for on a token: its first letter, or all of a label that ends in a number."""
        return self.label if self.label[-1:].isdigit() and len(self.label) <= 3 else self.label[:1].upper()


@dataclass(frozen=True)
class Grid:
    """A board of cells. Later things are drawn over earlier ones."""

    title: str
    width: int  # cells
    height: int
    things: tuple[Thing, ...]


@dataclass(frozen=True)
class Bar:
    """An amount between nothing and full."""

    name: str
    value: float  # 0 .. 1
    shown: str  # as people read it, with its unit
    role: str = "calm"
    danger_below: float | None = None  # in units of `value`: where it becomes dangerous
    danger_above: float | None = None

    @property
    def in_danger(self) -> bool:
        low = self.danger_below is not None and self.value <= self.danger_below
        return low or (self.danger_above is not None and self.value >= self.danger_above)


@dataclass(frozen=True)
class Bars:
    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Card:
    """A small thing to hold: what it is in large, more about it in small."""

    label: str
    about: str = ""
    role: str = "ink"
    marked: bool = False  # chosen, raised out of the row


@dataclass(frozen=True)
class Cards:
    title: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Line:
    """Points joined by straight strokes."""

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
    x: float  # of its middle
    y: float
    width: float
    height: float
    role: str = "ink"


@dataclass(frozen=True)
class Words:
    """Text about a point."""

    x: float
    y: float
    text: str
    role: str = "ink"


Shape = Line | Circle | Rectangle | Words


@dataclass(frozen=True)
class Figure:
    """A drawing. Its height is the unit of every length: y goes up from 0 to 1, x right from 0 to `aspect`."""

    title: str
    aspect: float  # width / height
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Key:
    """What a kind of pixel is."""

    name: str
    role: str


@dataclass(frozen=True)
class Pixels:
    """A picture of few kinds of cells."""

    title: str
    rows: tuple[tuple[int, ...], ...]  # each an index into `keys`, or -1 for nothing
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Shades:
    """An array of numbers, from `low` (dark) to `high` (bright)."""

    title: str
    rows: tuple[tuple[float, ...], ...]  # 0 .. 1
    low: str  # what 0 and 1 stand for
    high: str


@dataclass(frozen=True)
class Facts:
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
    """The actions there were, and what the policy thought of each."""

    title: str
    measure: str  # what the values are: "probability" (0 .. 1), or "action value" (any number)
    choices: tuple[Choice, ...]


Panel = Grid | Bars | Cards | Figure | Pixels | Shades | Facts | Choices


@dataclass(frozen=True)
class Scene:
    """One moment."""

    title: str
    panels: tuple[Panel, ...]


def to_json(thing: Any) -> Any:
    """A scene as dictionaries, lists, text and numbers; each panel and shape says in `kind` what it is."""
    if is_dataclass(thing):
        kind = {"kind": type(thing).__name__.lower()}
        return kind | {field.name: to_json(getattr(thing, field.name)) for field in fields(thing)}
    if isinstance(thing, tuple):
        return [to_json(part) for part in thing]
    return thing


def number(x: Any, digits: int = 3) -> str:
    """A number as people read it: about `digits` significant ones, no exponent where none is needed."""
    x = float(x)
    if not math.isfinite(x):
        return "not a number" if math.isnan(x) else "∞" if x > 0 else "-∞"
    if x == int(x) and abs(x) < 1e7:
        return f"{int(x):,}"
    if not 1e-4 <= abs(x) < 1e7:
        return f"{x:.{digits - 1}e}"
    return f"{x:,.{max(digits - 1 - math.floor(math.log10(abs(x))), 0)}f}"
