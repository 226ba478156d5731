"""A scene as an image: the world on the left, what is to be read of it on the right."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from PIL import Image

from elsinore.envs.scene import Bars, Cards, Choices, Facts, Figure, Grid, Panel, Pixels, Scene, Shades
from elsinore.host.drawing import stage, tables
from elsinore.host.drawing.canvas import Canvas
from elsinore.host.drawing.palette import DARK, Palette

MARGIN, HEADER, HEADING, GAP = 28.0, 64.0, 24.0, 20.0  # points
STAGE, SIDE = 560.0, 320.0  # widths of the two columns


class Drawer(NamedTuple):
    """How one kind of panel is drawn."""

    height: Callable[[Any, float], float]  # (panel, width), in points
    draw: Callable[..., None]  # (canvas, panel, palette, x, y, width)


STAGES = {
    Grid: Drawer(stage.grid_height, stage.draw_grid),
    Pixels: Drawer(stage.pixels_height, stage.draw_pixels),
    Shades: Drawer(stage.shades_height, stage.draw_shades),
    Figure: Drawer(stage.figure_height, stage.draw_figure),
    Cards: Drawer(stage.cards_height, stage.draw_cards),
}
SIDES = {
    Bars: Drawer(tables.bars_height, tables.draw_bars),
    Facts: Drawer(tables.facts_height, tables.draw_facts),
    Choices: Drawer(tables.choices_height, tables.draw_choices),
}


def draw(scene: Scene, palette: Palette = DARK, size: tuple[int, int] | None = None) -> Image.Image:
    """The image of a scene, RGB; `size` in pixels, by default what it needs."""
    width, height = size or size_of([scene])
    canvas = Canvas(width, height, palette.background)
    canvas.text(MARGIN, HEADER / 2 + 6, scene.title, palette.of("ink"), 18, bold=True, room=width - 2 * MARGIN)
    x = MARGIN
    for column_width, drawers in _columns([scene]):
        y = HEADER
        for panel in _panels(scene, drawers):
            y = _draw_panel(canvas, panel, drawers[type(panel)], palette, x, y, column_width)
        x += column_width + GAP * 2
    return canvas.finished()


def size_of(scenes: Iterable[Scene]) -> tuple[int, int]:
    """Pixels that hold every one of these scenes, even numbers as films want them."""
    scenes = list(scenes)
    columns = _columns(scenes)
    width = 2 * MARGIN + sum(column_width for column_width, _ in columns) + 2 * GAP * (len(columns) - 1)
    tallest = max(
        (sum(HEADING + drawers[type(panel)].height(panel, column_width) + GAP for panel in _panels(scene, drawers))
         for scene in scenes for column_width, drawers in columns), default=0.0,
    )  # fmt: skip
    return _even(width), _even(HEADER + tallest + MARGIN - GAP)


def _draw_panel(canvas: Canvas, panel: Panel, drawer: Drawer, palette: Palette, x, y, width) -> float:
    """Its heading and itself; returns where the next one begins."""
    heading = f"{panel.title} ({panel.measure})" if isinstance(panel, Choices) else panel.title
    canvas.text(x, y + 8, heading.upper(), palette.of("faint"), 11, bold=True, room=width)
    drawer.draw(canvas, panel, palette, x, y + HEADING, width)
    return y + HEADING + drawer.height(panel, width) + GAP


def _columns(scenes: list[Scene]) -> list[tuple[float, dict]]:
    """The columns that have something in them."""
    columns = [(STAGE, STAGES), (SIDE, SIDES)]
    return [(width, drawers) for width, drawers in columns if any(_panels(scene, drawers) for scene in scenes)]


def _panels(scene: Scene, drawers: dict) -> list[Panel]:
    return [panel for panel in scene.panels if type(panel) in drawers]


def _even(x: float) -> int:
    return 2 * round(x / 2 + 0.49)
