"""Scenes as images: the environment's panels on the left, the statistics on the right."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from PIL import Image

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
)
from elsinore.view.drawing import stat_panels, world_panels
from elsinore.view.drawing.canvas import Canvas, text_width
from elsinore.view.drawing.palette import DARK, Palette

MARGIN, HEADER, HEADING, GAP = 28.0, 64.0, 24.0, 20.0  # points
TITLE = 18.0  # size of the title's letters
WORLD_WIDTH, STATS_WIDTH = 560.0, 320.0  # widths of the two columns
WIDEST = WORLD_WIDTH + 2 * GAP + STATS_WIDTH


class Drawer(NamedTuple):
    """Functions that measure and draw one kind of panel."""

    height: Callable[[Any, float], float]  # (panel, width), in points
    draw: Callable[..., None]  # (canvas, panel, palette, x, y, width)


WORLD_DRAWERS = {
    Grid: Drawer(world_panels.grid_height, world_panels.draw_grid),
    Pixels: Drawer(world_panels.pixels_height, world_panels.draw_pixels),
    Shades: Drawer(world_panels.shades_height, world_panels.draw_shades),
    Picture: Drawer(world_panels.picture_height, world_panels.draw_picture),
    Figure: Drawer(world_panels.figure_height, world_panels.draw_figure),
    Cards: Drawer(world_panels.cards_height, world_panels.draw_cards),
}
STAT_DRAWERS = {
    Bars: Drawer(lambda panel, _: stat_panels.BAR * len(panel.bars), stat_panels.draw_bars),
    Facts: Drawer(lambda panel, _: stat_panels.FACT * len(panel.rows), stat_panels.draw_facts),
    Choices: Drawer(
        lambda panel, _: stat_panels.CHOICE * len(panel.choices), stat_panels.draw_choices
    ),
}


def draw_scene(
    scene: Scene, palette: Palette = DARK, size: tuple[int, int] | None = None
) -> Image.Image:
    """RGB image of a scene; `size` in pixels, by default the size it needs."""
    width, height = size or image_size([scene])
    canvas = Canvas(width, height, palette.background)
    ink, room = palette.of("ink"), width - 2 * MARGIN
    canvas.text(MARGIN, HEADER / 2 + 6, scene.title, ink, TITLE, bold=True, room=room)
    x = MARGIN
    for column_width, drawers in _columns([scene]):
        y = HEADER
        for panel in _panels(scene, drawers):
            y = _draw_panel(canvas, panel, drawers[type(panel)], palette, x, y, column_width)
        x += column_width + GAP * 2
    return canvas.finished()


def image_size(scenes: Iterable[Scene]) -> tuple[int, int]:
    """Width and height in pixels that fit every scene, even numbers as films need them. A title
    that is longer than both columns is cut."""
    scenes = list(scenes)
    columns = _columns(scenes)
    panels = sum(width for width, _ in columns) + 2 * GAP * (len(columns) - 1)
    title = max((text_width(x, TITLE, bold=True) for x in {x.title for x in scenes}), default=0.0)
    heights = [_height(scene, *column) for scene in scenes for column in columns]
    width = 2 * MARGIN + max(panels, min(title, WIDEST))
    return _even(width), _even(HEADER + max(heights, default=0.0) + MARGIN - GAP)


def _height(scene: Scene, width: float, drawers: dict) -> float:
    panels = _panels(scene, drawers)
    return sum(HEADING + drawers[type(panel)].height(panel, width) + GAP for panel in panels)


def _draw_panel(
    canvas: Canvas, panel: Panel, drawer: Drawer, palette: Palette, x, y, width
) -> float:
    """Draw heading and panel; returns the y of the next panel."""
    heading = f"{panel.title} ({panel.measure})" if isinstance(panel, Choices) else panel.title
    canvas.text(x, y + 8, heading.upper(), palette.of("faint"), 11, bold=True, room=width)
    drawer.draw(canvas, panel, palette, x, y + HEADING, width)
    return y + HEADING + drawer.height(panel, width) + GAP


def _columns(scenes: list[Scene]) -> list[tuple[float, dict]]:
    """(width, drawers) of the columns that are not empty."""
    columns = [(WORLD_WIDTH, WORLD_DRAWERS), (STATS_WIDTH, STAT_DRAWERS)]
    return [
        (width, drawers)
        for width, drawers in columns
        if any(_panels(scene, drawers) for scene in scenes)
    ]


def _panels(scene: Scene, drawers: dict) -> list[Panel]:
    return [panel for panel in scene.panels if type(panel) in drawers]


def _even(x: float) -> int:
    return 2 * round(x / 2 + 0.49)
