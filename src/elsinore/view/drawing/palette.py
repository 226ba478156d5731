"""Colours of roles, on dark and on light: Okabe and Ito's palette, safe for colour-blind readers.

Source: Okabe & Ito 2008, "Color Universal Design".
"""

from typing import NamedTuple

ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, VERMILLION, PURPLE = "#0072b2", "#d55e00", "#cc79a7"


class Palette(NamedTuple):
    """Colours as "#rrggbb"."""

    background: str
    panel: str  # behind a panel, a little off the background
    empty: str  # empty part of a bar or a board
    roles: dict[str, str]

    def of(self, role: str) -> str:
        """The colour of a role; an unknown role has the colour of text."""
        return self.roles.get(role, self.roles["ink"])

    def on(self, role: str) -> str:
        """Black or white, whichever is more readable on the role's colour."""
        return on(self.of(role))


HUES = {
    "agent": ORANGE, "rival": PURPLE, "goal": YELLOW,
    "food": GREEN, "rest": BLUE, "wash": SKY, "work": YELLOW, "play": PURPLE, "care": GREEN,
    "danger": VERMILLION, "calm": SKY, "gain": GREEN,
}  # fmt: skip
INKS = {"ink": "#f2f4f7", "faint": "#8d97a5", "wall": "#5b6573", "ground": "#2b313b"}
# on a dark ground, blue is hardly readable: a lighter one of the same hue, as on the page
DARK = Palette("#14171c", "#1d2128", "#2b313b", HUES | INKS | {"rest": "#4a9fd8"})
# on white, yellow is invisible: a darker one of the same hue
LIGHT = Palette("#ffffff", "#f4f6f8", "#dfe4ea", HUES | {
    "goal": "#b09400", "work": "#b09400", "rest": BLUE,
    "ink": "#14171c", "faint": "#68717e", "wall": "#8a94a1", "ground": "#e6eaef",
})  # fmt: skip


def rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(a: str, b: str, share: float) -> str:
    """Interpolate between two colours: `a` at 0, `b` at 1."""
    parts = (round(x + (y - x) * share) for x, y in zip(rgb(a), rgb(b), strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def on(colour: str) -> str:
    """Black or white, whichever is more readable on a colour (relative luminance, WCAG 2)."""
    linear = [
        (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in rgb(colour)
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"
