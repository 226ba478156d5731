"""Scenes in the terminal, with rich: the environment on the left, statistics on the right.

Cells also have letters in their background colour, so that they can be read without colours.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from rich.box import HEAVY, ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel as Frame
from rich.table import Table
from rich.text import Text

from elsinore.envs.picture import image_of
from elsinore.envs.scene import (
    Bars,
    Cards,
    Choices,
    Facts,
    Figure,
    Grid,
    Panel,
    Picture,
    Pixels,
    Scene,
    Shades,
    Thing,
)
from elsinore.view.drawing import braille
from elsinore.view.drawing.palette import DARK, Palette, mixed
from elsinore.view.drawing.stat_panels import shares, value_shown

STATS_COLUMNS = 52  # width of the statistics
BAR = 14
SHADES = " ░▒▓█"
NARROW = 92  # below this width the statistics are below the environment
MAX_BOARD_ROWS = 24  # of a board


def render(scene: Scene, width: int = 110, palette: Palette = DARK) -> RenderableType:
    """A rich renderable of a scene; `width` in characters."""
    two_columns = width >= NARROW
    room = width - STATS_COLUMNS - 3 if two_columns else width
    world, stats = [], []
    for panel in scene.panels:
        if type(panel) in WORLD_RENDERERS:
            body = WORLD_RENDERERS[type(panel)](panel, palette, min(room, 72))
            world.append(_titled(panel, body, palette))
        elif type(panel) in STAT_RENDERERS:
            body = STAT_RENDERERS[type(panel)](panel, palette)
            stats.append(_titled(panel, body, palette))
    title = Text(scene.title, style=f"bold {palette.of('ink')}", overflow="ellipsis", no_wrap=True)
    if not two_columns or not world or not stats:
        return Group(title, Text(), *world, *stats)
    columns = Table.grid(padding=(0, 3, 0, 0))
    columns.add_column(no_wrap=True, overflow="crop")
    columns.add_row(Group(*world), Group(*stats))
    return Group(title, Text(), columns)


def _titled(panel: Panel, body: RenderableType, palette: Palette) -> RenderableType:
    heading = f"{panel.title} ({panel.measure})" if isinstance(panel, Choices) else panel.title
    return Group(Text(heading.upper(), style=palette.of("faint")), body, Text())


def _grid(grid: Grid, palette: Palette, room: int) -> Text:
    """Cells as blocks of characters; a token is a disc with its letter."""
    wide = max(2, min(8, room // grid.width))
    high = max(1, min(wide // 2, MAX_BOARD_ROWS // grid.height, 3))
    places = {}
    for thing in grid.things:
        places.setdefault((thing.x, thing.y), []).append(thing)
    text = Text()
    for y in range(grid.height):
        for line in range(high):
            is_last, is_middle = line == high - 1, line == (high - 1) // 2
            for x in range(grid.width):
                _add_cell(text, places.get((x, y), []), palette, wide, is_last, is_middle)
            text.append("\n" if (y, line) != (grid.height - 1, high - 1) else "")
    return text


def _add_cell(
    text: Text, things: list[Thing], palette: Palette, wide: int, is_last: bool, is_middle: bool
) -> None:
    """Append one line of one cell, with a column of background after it; a label that needs that
    column, too, takes it."""
    tiles, tokens = ([thing for thing in things if thing.token is token] for token in (False, True))
    ground = palette.of(tiles[-1].role) if tiles else palette.empty
    inner = wide - 1 if wide > 2 else wide
    letters, ink = "", ground
    if is_middle and tokens:
        letters = _token_letters(tokens, inner)
        ink = "bold " + (palette.on(tiles[-1].role) if tiles else palette.of(tokens[-1].role))
    elif is_last and tiles and tiles[-1].label:
        letters, ink = tiles[-1].label, palette.on(tiles[-1].role)
    elif tiles and not tiles[-1].label:
        letters = "#" * inner
    elif is_middle and not tiles:
        letters = "·"
    inner = min(wide, max(inner, len(letters)))
    letters = letters[:inner].center(inner)
    text.append(letters, style=f"{ink} on {ground}").append(" " * (wide - inner))


def _token_letters(tokens: list[Thing], room: int) -> str:
    """Discs with letters, or letters alone, or a count, whichever fits first."""
    if room < 4:
        return "●" * len(tokens)
    signs = [thing.sign for thing in tokens]
    options = "".join(f"●{sign}" for sign in signs), " ".join(signs), f"●×{len(signs)}"
    return next((option for option in options if len(option) <= room), options[-1])


def _pixels(pixels: Pixels, palette: Palette, room: int) -> RenderableType:
    scale = max(1, min(room // (2 * len(pixels.rows[0])), MAX_BOARD_ROWS // len(pixels.rows), 2))
    letters, text = _letters([key.name for key in pixels.keys]), Text()
    for row in pixels.rows:
        for _ in range(scale):
            for kind in row:
                ground = palette.empty if kind < 0 else palette.of(pixels.keys[kind].role)
                text.append(
                    ("·" if kind < 0 else letters[kind]).center(2 * scale),
                    style=f"{ground} on {ground}",
                )
            text.append("\n")
    for letter, key in zip(letters, pixels.keys, strict=True):
        colour = palette.of(key.role)
        text.append(f" {letter} ", style=f"{colour} on {colour}").append(
            f" {key.name}  ", style=palette.of("ink")
        )
    return text


def _letters(names: list[str]) -> list[str]:
    """A letter per name: its first letter that is not taken."""
    taken: list[str] = []
    for name in names:
        taken.append(next((letter for letter in name.replace(" ", "") if letter not in taken), "?"))
    return taken


def _shades(shades: Shades, palette: Palette, room: int) -> RenderableType:
    text = Text()
    for row in shades.rows:
        for value in row[: room // 2]:
            ground = mixed(palette.empty, palette.of("calm"), value)
            text.append(2 * SHADES[round(value * (len(SHADES) - 1))], style=f"{ground} on {ground}")
        text.append("\n")
    ends = ((SHADES[0], palette.empty, shades.low), (SHADES[-1], palette.of("calm"), shades.high))
    for letter, colour, words in ends:
        text.append(3 * letter, style=f"{colour} on {colour}").append(
            f" {words}  ", style=palette.of("faint")
        )
    return text


def _picture(picture: Picture, palette: Palette, room: int) -> RenderableType:
    """A character for each place, twice as high as wide; without colours its brightness."""
    aspect, text = picture.width / picture.height, Text()
    wide = max(1, min(room, round(2 * MAX_BOARD_ROWS * aspect)))
    size = (wide, max(1, round(wide / aspect / 2)))
    for row in np.asarray(image_of(picture).resize(size)).tolist():
        for red, green, blue in row:
            letter = SHADES[round((red + green + blue) / 765 * (len(SHADES) - 1))]
            colour = f"#{red:02x}{green:02x}{blue:02x}"
            text.append(letter, style=f"{colour} on {colour}")
        text.append("\n")
    return text


def _cards(cards: Cards, palette: Palette, room: int) -> RenderableType:
    """Rows of small frames; a marked card has a thick edge."""
    small = all(len(card.label) <= 3 and len(card.about) <= 5 for card in cards.cards)
    wide, frames = 7 if small else 16, []
    for card in cards.cards:
        body = Text(card.label, style=f"bold {palette.of(card.role)}", justify="center")
        body.append(f"\n{card.about}", style=palette.of("faint"))
        edge = palette.of("agent" if card.marked else "wall")
        frames.append(
            Frame(body, box=HEAVY if card.marked else ROUNDED, border_style=edge, width=wide)
        )
    rows = Table.grid()
    for first in range(0, len(frames), max(1, room // wide)):
        rows.add_row(*frames[first : first + max(1, room // wide)])
    return rows if frames else Text("none", style=palette.of("faint"))


def _bars(bars: Bars, palette: Palette) -> RenderableType:
    table = _rows()
    for bar in bars.bars:
        colour = palette.of("danger" if bar.in_danger else bar.role)
        notches = [round(n * BAR) for n in (bar.danger_below, bar.danger_above) if n is not None]
        filled = round(min(max(bar.value, 0.0), 1.0) * BAR)
        drawn = Text()
        for i in range(BAR):
            line = "━" if i < filled else "─"
            drawn.append(
                "╋" if i in notches else line, style=colour if i < filled else palette.empty
            )
        mark = "▲ " if bar.in_danger else "  "
        table.add_row(
            Text(mark + bar.name, style=colour if bar.in_danger else palette.of("ink")),
            drawn,
            Text(bar.shown),
        )
    return table


def _choices(choices: Choices, palette: Palette) -> RenderableType:
    table = _rows()
    for choice, share in zip(choices.choices, shares(choices), strict=True):
        colour, filled = palette.of("agent" if choice.chosen else "calm"), round(share * BAR)
        drawn = Text("━" * filled, style=colour).append("─" * (BAR - filled), style=palette.empty)
        ink = palette.of("ink" if choice.legal else "faint")
        name = Text(
            ("▶ " if choice.chosen else "  ") + choice.name,
            style=f"bold {ink}" if choice.chosen else ink,
        )
        table.add_row(name, drawn, Text(value_shown(choices, choice), style=ink))
    return table


def _facts(facts: Facts, palette: Palette) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in facts.rows:
        table.add_row(
            Text(f"  {name}", style=palette.of("faint")), Text(value, style=palette.of("ink"))
        )
    return table


def _rows() -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=20, min_width=12)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    return table


WORLD_RENDERERS: dict[type, Callable[..., Any]] = {
    Grid: _grid, Pixels: _pixels, Shades: _shades, Picture: _picture, Cards: _cards,
    Figure: braille.render_figure,
}  # fmt: skip
STAT_RENDERERS: dict[type, Callable[..., Any]] = {Bars: _bars, Choices: _choices, Facts: _facts}
