"""Environment panels as images: grids, pixels, shades, figures and cards."""

import math
import re

from elsinore.envs.picture import image_of
from elsinore.envs.scene import (
    Cards,
    Circle,
    Figure,
    Grid,
    Line,
    Picture,
    Pixels,
    Rectangle,
    Shades,
    Thing,
    Words,
)
from elsinore.view.drawing.canvas import Canvas, text_width
from elsinore.view.drawing.palette import Palette, mixed

MAX_HEIGHT = 560.0  # points, of a board or figure
CARD_WIDTH, CARD_HEIGHT, CARD_GAP, CARD_RISE = 62.0, 86.0, 8.0, 12.0
NAME_WIDTH = 105.0  # width of cards with names
LEGEND = 26.0  # height of the legend


def grid_height(grid: Grid, width: float) -> float:
    return _cell(grid, width) * grid.height


def draw_grid(
    canvas: Canvas, grid: Grid, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw a board in the middle of the width; tokens are discs, smaller if they share a cell."""
    cell = _cell(grid, width)
    x += (width - cell * grid.width) / 2
    gap = min(2.0, cell * 0.06)
    size = cell - 2 * gap
    for row in range(grid.height):
        for column in range(grid.width):
            left, top = x + column * cell + gap, y + row * cell + gap
            canvas.box(left, top, size, size, palette.empty, cell * 0.1)
    for thing in (thing for thing in grid.things if not thing.token):
        left, top = x + thing.x * cell + gap, y + thing.y * cell + gap
        canvas.box(left, top, size, size, palette.of(thing.role), cell * 0.1)
        if thing.label and cell >= 26:
            colour = palette.on(thing.role)
            _draw_label(canvas, thing.label, colour, left + size / 2, top + size, size - 6)
    cells: dict[tuple[int, int], list[Thing]] = {}
    for thing in grid.things:
        if thing.token:
            cells.setdefault((thing.x, thing.y), []).append(thing)
    for (column, row), tokens in cells.items():
        for thing, (right, down, radius) in zip(tokens, seats(len(tokens)), strict=True):
            middle = (x + (column + 0.5 + right) * cell, y + (row + 0.44 + down) * cell)
            _draw_token(canvas, thing, palette, *middle, radius * cell)


def seats(count: int) -> list[tuple[float, float, float]]:
    """Places of `count` discs in a cell: (x, y) from the middle and radius, in cells."""
    columns = math.ceil(math.sqrt(count))
    rows, apart = math.ceil(count / columns), 0.76 / columns
    radius = min(0.28, 0.48 * apart)
    return [
        ((i % columns - (columns - 1) / 2) * apart, (i // columns - (rows - 1) / 2) * apart, radius)
        for i in range(count)
    ]


def _draw_token(
    canvas: Canvas, thing: Thing, palette: Palette, x: float, y: float, radius: float
) -> None:
    canvas.disc(x, y, radius + min(1.5, radius * 0.15), palette.background)
    canvas.disc(x, y, radius, palette.of(thing.role))
    if radius >= 5:
        size = radius * (0.95 if len(thing.sign) < 2 else 1.6 / len(thing.sign))
        canvas.text(x, y, thing.sign, palette.on(thing.role), size, "mm", True)


def _draw_label(
    canvas: Canvas, label: str, colour: str, middle: float, bottom: float, room: float
) -> None:
    """Draw one word per line, also of a CamelCase label, as large as the room allows."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "\n", label).split("\n")
    for i, word in enumerate(reversed(words)):
        size = min(12.0, room * 0.24, 12.0 * room / max(text_width(word, 12.0, bold=True), 1.0))
        canvas.text(
            middle, bottom - 10 - 12 * i, word, colour, max(size, 7.0), "mm", True, room=room
        )


def _cell(grid: Grid | Pixels, width: float) -> float:
    columns, rows = (
        (grid.width, grid.height) if isinstance(grid, Grid) else (len(grid.rows[0]), len(grid.rows))
    )
    return min(width / columns, MAX_HEIGHT / rows, 72.0)


def pixels_height(pixels: Pixels, width: float) -> float:
    return _cell(pixels, width) * len(pixels.rows) + LEGEND


def draw_pixels(
    canvas: Canvas, pixels: Pixels, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw coloured cells with a legend below."""
    cell = _cell(pixels, width)
    across = cell * len(pixels.rows[0])
    left = x + (width - across) / 2
    for row, kinds in enumerate(pixels.rows):
        for column, kind in enumerate(kinds):
            colour = palette.empty if kind < 0 else palette.of(pixels.keys[kind].role)
            corner = (left + column * cell + 0.75, y + row * cell + 0.75)
            canvas.box(*corner, cell - 1.5, cell - 1.5, colour, cell * 0.1)
    below, room = y + cell * len(pixels.rows) + LEGEND * 0.6, width / max(len(pixels.keys), 1)
    for i, key in enumerate(pixels.keys):
        canvas.box(x + i * room, below - 5, 10, 10, palette.of(key.role), 2)
        canvas.text(x + i * room + 15, below, key.name, palette.of("ink"), 11, room=room - 19)


def shades_height(shades: Shades, width: float) -> float:
    return _shade(shades, width) * len(shades.rows) + LEGEND


def draw_shades(
    canvas: Canvas, shades: Shades, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw numbers as brightness."""
    cell = _shade(shades, width)
    for row, values in enumerate(shades.rows):
        for column, value in enumerate(values):
            colour = mixed(palette.empty, palette.of("calm"), value)
            size = max(cell - 1, 1)
            canvas.box(x + column * cell, y + row * cell, size, size, colour)
    below = y + cell * len(shades.rows) + LEGEND * 0.6
    canvas.box(x, below - 5, 10, 10, palette.empty, 2)
    canvas.text(x + 15, below, shades.low, palette.of("faint"), 11)
    canvas.box(x + 90, below - 5, 10, 10, palette.of("calm"), 2)
    canvas.text(x + 105, below, shades.high, palette.of("faint"), 11)


def _shade(shades: Shades, width: float) -> float:
    return min(width / max(len(shades.rows[0]), 1), 240.0 / len(shades.rows), 24.0)


def picture_height(picture: Picture, width: float) -> float:
    return min(width * picture.height / picture.width, MAX_HEIGHT)


def draw_picture(
    canvas: Canvas, picture: Picture, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw an image in the middle of the width."""
    height = picture_height(picture, width)
    across = height * picture.width / picture.height
    canvas.picture(x + (width - across) / 2, y, across, height, image_of(picture))


def figure_height(figure: Figure, width: float) -> float:
    return min(width / figure.aspect, MAX_HEIGHT)


def draw_figure(
    canvas: Canvas, figure: Figure, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw shapes in order; the unit is the height of the figure, and y goes up."""
    unit = figure_height(figure, width)
    canvas.box(x, y, width, unit, palette.panel, 8)
    left, bottom = x + (width - unit * figure.aspect) / 2, y + unit

    def at(px: float, py: float) -> tuple[float, float]:
        return left + px * unit, bottom - py * unit

    for shape in figure.shapes:
        colour = palette.of(shape.role)
        if isinstance(shape, Line):
            canvas.line([at(*point) for point in shape.points], colour, shape.thickness * unit)
        elif isinstance(shape, Circle):
            canvas.disc(*at(shape.x, shape.y), shape.radius * unit, colour)
        elif isinstance(shape, Rectangle):
            corner = at(shape.x - shape.width / 2, shape.y + shape.height / 2)
            canvas.box(*corner, shape.width * unit, shape.height * unit, colour, 0.015 * unit)
        elif isinstance(shape, Words):
            canvas.text(*at(shape.x, shape.y), shape.text, colour, 12, "mm")


def cards_height(cards: Cards, width: float) -> float:
    rows = -(-max(len(cards.cards), 1) // _cards_a_row(cards, width))
    return rows * (CARD_HEIGHT + CARD_GAP) + CARD_RISE - CARD_GAP


def draw_cards(
    canvas: Canvas, cards: Cards, palette: Palette, x: float, y: float, width: float
) -> None:
    """Draw cards in rows; a marked card is raised and has an edge."""
    if not cards.cards:
        canvas.text(x, y + CARD_HEIGHT / 2, "none", palette.of("faint"))
    wide = _card_width(cards)
    for i, card in enumerate(cards.cards):
        row, column = divmod(i, _cards_a_row(cards, width))
        left = x + column * (wide + CARD_GAP)
        top = y + row * (CARD_HEIGHT + CARD_GAP) + (0 if card.marked else CARD_RISE)
        edge = palette.of("agent") if card.marked else palette.of("wall")
        canvas.box(
            left, top, wide, CARD_HEIGHT, palette.panel, 7, edge, 3.0 if card.marked else 1.0
        )
        middle, room = left + wide / 2, wide - 8
        size = 22.0 if len(card.label) <= 3 else 12.0
        canvas.text(
            middle, top + 34, card.label, palette.of(card.role), size, "mm", True, room=room
        )
        canvas.text(
            middle, top + CARD_HEIGHT - 16, card.about, palette.of("faint"), 10, "mm", room=room
        )


def _card_width(cards: Cards) -> float:
    """Width of all cards of a panel: narrow for ranks, wide for names."""
    return CARD_WIDTH if all(len(card.label) <= 3 for card in cards.cards) else NAME_WIDTH


def _cards_a_row(cards: Cards, width: float) -> int:
    return max(1, int((width + CARD_GAP) // (_card_width(cards) + CARD_GAP)))
