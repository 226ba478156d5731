"""Several agents side by side, as an image or a film: environment, meters and their history."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from elsinore.envs.scene import Bar, Bars, Facts, Scene, rounded
from elsinore.errors import counted
from elsinore.runs.files.whole_file import whole_file
from elsinore.view.drawing.canvas import Canvas
from elsinore.view.drawing.episode import Episode
from elsinore.view.drawing.film import check_film, frames_in, write_mp4
from elsinore.view.drawing.image import STAT_DRAWERS, WORLD_DRAWERS
from elsinore.view.drawing.palette import DARK, Palette

COLUMN, GAP, MARGIN = 384.0, 40.0, 28.0  # points
TITLE, HEADING, SPACE, HISTORY, FOOT = 56.0, 50.0, 14.0, 96.0, 26.0
DASH = 5.0
MAX_FRAMES, FPS, END_FRAMES = 200, 12.5, 25  # frames, frames per second, repeats of the last frame
PALETTE_SIZE = 96  # colours of a .gif
DRAWERS = WORLD_DRAWERS | STAT_DRAWERS


class AgentColumn(NamedTuple):
    """One agent and its episode, drawn as a column."""

    heading: str
    episode: Episode
    lines: tuple[tuple[Bar, np.ndarray], ...]  # per meter: its style and values [time + 1], 0 to 1
    limit: int  # maximum steps of an episode


def agent_column(heading: str, episode: Episode) -> AgentColumn:
    """Build the column of an episode."""
    bars = [_bars(episode.scene(now)) for now in range(len(episode))]
    lines = tuple(
        (first, np.array([now[i].value for now in bars])) for i, first in enumerate(bars[0])
    )
    limit = int(np.max(getattr(episode.params, "max_steps_in_episode", 0))) or len(episode) - 1
    return AgentColumn(heading, episode, lines, limit)


def draw_side_by_side(
    columns: Sequence[AgentColumn], title: str, time: int | None = None, palette: Palette = DARK
) -> Image.Image:
    """Draw all agents after `time` steps (None: their last step); finished agents stay."""
    lasts = [len(column.episode) - 1 for column in columns]
    times = lasts if time is None else [min(time, last) for last in lasts]
    scenes = [column.episode.scene(now) for column, now in zip(columns, times, strict=True)]
    width = 2 * MARGIN + len(columns) * (COLUMN + GAP) - GAP
    height = TITLE + max(map(_height, columns)) + MARGIN
    canvas = Canvas(width, round(height / 2) * 2, palette.background)
    room = canvas.width - 2 * MARGIN
    canvas.text(MARGIN, TITLE / 2 + 6, title, palette.of("ink"), 18, bold=True, room=room)
    for i, (column, scene, now) in enumerate(zip(columns, scenes, times, strict=True)):
        _draw_column(canvas, column, scene, now, palette, MARGIN + i * (COLUMN + GAP))
    return canvas.finished()


def write_side_by_side(path: Path, columns: Sequence[AgentColumn], title: str) -> int:
    """Write a film on one clock, .gif or .mp4; finished agents wait. Returns its number of frames.

    Raises:
        ConfigError: as `check_film`.
    """
    check_film(path)
    last = max(len(column.episode) for column in columns) - 1
    stride = -(-last // MAX_FRAMES) or 1
    times = [*range(0, last, stride), last]
    images = [draw_side_by_side(columns, title, time) for time in times]
    images += [images[-1]] * END_FRAMES
    if path.suffix.lower() == ".mp4":
        with whole_file(path) as unfinished:
            write_mp4(unfinished, iter(images), FPS)
        return len(images)
    palette = _shared_palette([images[0], images[len(times) // 2], images[-1]])
    flat = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    film = {"append_images": flat[1:], "duration": round(1000 / FPS), "loop": 0}
    with whole_file(path) as unfinished:
        flat[0].save(unfinished, save_all=True, **film)
    return frames_in(path)


def _shared_palette(images: Sequence[Image.Image]) -> Image.Image:
    """One palette for all frames; a palette per frame flickers."""
    together = Image.fromarray(np.concatenate([np.asarray(image) for image in images]))
    # the default, median cut, loses the colour of an agent, which has few pixels
    octree = Image.Quantize.FASTOCTREE
    return together.quantize(PALETTE_SIZE, method=octree, dither=Image.Dither.NONE)


def _draw_column(
    canvas: Canvas, column: AgentColumn, scene: Scene, now: int, palette: Palette, x: float
) -> None:
    colour = palette.of(_status_role(column, now == len(column.episode) - 1))
    canvas.text(x, TITLE + 12, column.heading, palette.of("ink"), 16, bold=True, room=COLUMN)
    canvas.text(x, TITLE + 34, status_line(column, now), colour, 12.5, room=COLUMN)
    y = TITLE + HEADING
    for panel in main_panels(scene):
        drawer = DRAWERS[type(panel)]
        drawer.draw(canvas, panel, palette, x, y, COLUMN)
        y += drawer.height(panel, COLUMN) + SPACE
    _draw_history(canvas, column, now, palette, x, y)


def _height(column: AgentColumn) -> float:
    panels = main_panels(column.episode.scene(0))
    heights = (DRAWERS[type(panel)].height(panel, COLUMN) + SPACE for panel in panels)
    return HEADING + sum(heights) + HISTORY + FOOT


def main_panels(scene: Scene) -> list:
    """The environment's panel, and its meters or else its facts."""
    world = [panel for panel in scene.panels if type(panel) in WORLD_DRAWERS][:1]
    bars = [panel for panel in scene.panels if isinstance(panel, Bars)][:1]
    facts = [
        panel for panel in scene.panels if isinstance(panel, Facts) and panel.title != "episode"
    ][:1]
    return world + (bars or facts)


def status_line(column: AgentColumn, now: int) -> str:
    """Step and return; at the last step also the ending of the episode."""
    total = rounded(float(column.episode.recording.reward[:now].sum()))
    if now < len(column.episode) - 1:
        return f"step {now:,}   return {total}"
    if column.episode.about.get("terminated"):
        ending = "terminated after"
    else:
        ending = "time limit after" if now == column.limit else "cut after"
    return f"{ending} {counted(now, 'step')}   return {total}"


def _status_role(column: AgentColumn, over: bool) -> str:
    if not over:
        return "faint"
    return "danger" if column.episode.about.get("terminated") else "gain"


def _draw_history(
    canvas: Canvas, column: AgentColumn, now: int, palette: Palette, x: float, y: float
) -> None:
    """Draw every meter over time, on an axis as long as the time limit."""
    canvas.box(x, y, COLUMN, HISTORY, palette.panel, 6)
    at = x + COLUMN * np.arange(now + 1) / column.limit
    stride = max(1, len(at) // 300)
    used: set[str] = set()
    for bar, values in column.lines:
        colour = palette.of(bar.role)
        heights = y + HISTORY - 6 - (HISTORY - 12) * values[: now + 1]
        points = list(zip(at, heights, strict=True))[::stride]
        if len(points) > 1:
            _draw_line(canvas, points, colour, dashed=colour in used)
        used.add(colour)
    if not column.lines:
        width = COLUMN * now / column.limit
        canvas.box(x, y, width, HISTORY, palette.of(_status_role(column, True)), 6)
    below, faint = y + HISTORY + 12, palette.of("faint")
    canvas.text(x, below, "0", faint, 11, "lm")
    canvas.text(x + COLUMN, below, f"{column.limit:,}", faint, 11, "rm")
    canvas.text(x + COLUMN / 2, below, "steps", faint, 11, "mm")


def _draw_line(canvas: Canvas, points: list, colour: str, dashed: bool) -> None:
    """Draw a line, dashed if another line has its colour."""
    if not dashed:
        canvas.line(points, colour, 2.0)
        return
    piece = max(2, round(len(points) * DASH / COLUMN))
    for i in range(0, len(points) - 1, 2 * piece):
        if len(part := points[i : i + piece + 1]) > 1:
            canvas.line(part, colour, 2.0)


def _bars(scene: Scene) -> tuple[Bar, ...]:
    return next((panel.bars for panel in scene.panels if isinstance(panel, Bars)), ())
