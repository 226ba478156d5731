"""Several agents side by side as one image: where each is, how it is, and its life so far."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from elsinore.envs.scene import Bar, Bars, Facts, Scene, number
from elsinore.host.drawing.canvas import Canvas
from elsinore.host.drawing.episode import Episode
from elsinore.host.drawing.image import SIDES, STAGES
from elsinore.host.drawing.palette import DARK, Palette

COLUMN, GAP, MARGIN = 384.0, 40.0, 28.0  # points
TITLE, HEADING, SPACE, LIFE, FOOT = 56.0, 50.0, 14.0, 96.0, 26.0
DASH = 5.0


class Portrait(NamedTuple):
    """An agent to be drawn."""

    heading: str
    episode: Episode
    lines: tuple[tuple[Bar, np.ndarray], ...]  # of each amount its looks, and what it was: [time + 1], 0 to 1
    limit: int  # steps that a life can have


def portrait(heading: str, episode: Episode) -> Portrait:
    """A portrait of an episode; `heading` says whose."""
    bars = [_bars(episode.scene(now)) for now in range(len(episode))]
    lines = tuple((first, np.array([now[i].value for now in bars])) for i, first in enumerate(bars[0]))
    limit = int(np.max(getattr(episode.params, "max_steps_in_episode", 0))) or len(episode) - 1
    return Portrait(heading, episode, lines, limit)


def draw_portraits(
    portraits: Sequence[Portrait], title: str, time: int | None = None, palette: Palette = DARK
) -> Image.Image:
    """All of them after `time` steps; whoever did not live that long, and all without a time, at their end."""
    times = [len(p.episode) - 1 if time is None else min(time, len(p.episode) - 1) for p in portraits]
    scenes = [p.episode.scene(now) for p, now in zip(portraits, times, strict=True)]
    height = TITLE + max(map(_height, portraits)) + MARGIN
    canvas = Canvas(2 * MARGIN + len(portraits) * (COLUMN + GAP) - GAP, round(height / 2) * 2, palette.background)
    canvas.text(MARGIN, TITLE / 2 + 6, title, palette.of("ink"), 18, bold=True, room=canvas.width - 2 * MARGIN)
    for i, (this, scene, now) in enumerate(zip(portraits, scenes, times, strict=True)):
        _draw(canvas, this, scene, now, palette, MARGIN + i * (COLUMN + GAP))
    return canvas.finished()


def _draw(canvas: Canvas, this: Portrait, scene: Scene, now: int, palette: Palette, x: float) -> None:
    over = now == len(this.episode) - 1
    canvas.text(x, TITLE + 12, this.heading, palette.of("ink"), 16, bold=True, room=COLUMN)
    canvas.text(x, TITLE + 34, told(this, now), palette.of(_mood(this, over)), 12.5, room=COLUMN)
    y = TITLE + HEADING
    for panel in shown(scene):
        drawer = (STAGES | SIDES)[type(panel)]
        drawer.draw(canvas, panel, palette, x, y, COLUMN)
        y += drawer.height(panel, COLUMN) + SPACE
    _draw_life(canvas, this, now, palette, x, y)


def _height(this: Portrait) -> float:
    panels = shown(this.episode.scene(0))
    return HEADING + sum((STAGES | SIDES)[type(p)].height(p, COLUMN) + SPACE for p in panels) + LIFE + FOOT


def shown(scene: Scene) -> list:
    """The world itself, and its amounts, or where it has none what it says of itself."""
    stage = [panel for panel in scene.panels if type(panel) in STAGES][:1]
    amounts = [panel for panel in scene.panels if isinstance(panel, Bars)][:1]
    facts = [panel for panel in scene.panels if isinstance(panel, Facts) and panel.title != "episode"][:1]
    return stage + (amounts or facts)


def told(this: Portrait, now: int) -> str:
    """How far it has got, in a line."""
    over = now == len(this.episode) - 1
    paid = number(float(this.episode.film.reward[:now].sum()))
    if not over:
        return f"step {now:,}   return {paid}"
    how = "over after" if this.episode.about.get("terminated") else "all" if now == this.limit else "cut after"
    return f"{how} {now:,} steps   return {paid}"


def _mood(this: Portrait, over: bool) -> str:
    if not over:
        return "faint"
    return "danger" if this.episode.about.get("terminated") else "gain"


def _draw_life(canvas: Canvas, this: Portrait, now: int, palette: Palette, x: float, y: float) -> None:
    """Every amount from birth on, on an axis as long as a life can be: a short life leaves it empty."""
    canvas.box(x, y, COLUMN, LIFE, palette.panel, 6)
    at = x + COLUMN * np.arange(now + 1) / this.limit
    stride = max(1, len(at) // 300)
    used: set[str] = set()
    for bar, values in this.lines:
        colour = palette.of(bar.role)
        points = list(zip(at, y + LIFE - 6 - (LIFE - 12) * values[: now + 1], strict=True))[::stride]
        if len(points) > 1:
            _stroke(canvas, points, colour, dashed=colour in used)
        used.add(colour)
    if not this.lines:
        canvas.box(x, y, COLUMN * now / this.limit, LIFE, palette.of(_mood(this, True)), 6)
    for steps, anchor in ((0, "lm"), (this.limit, "rm")):
        canvas.text(x + COLUMN * steps / this.limit, y + LIFE + 12, f"{steps:,}", palette.of("faint"), 11, anchor)
    canvas.text(x + COLUMN / 2, y + LIFE + 12, "steps", palette.of("faint"), 11, "mm")


def _stroke(canvas: Canvas, points: list, colour: str, dashed: bool) -> None:
    """A line; dashed where its colour is another's already."""
    if not dashed:
        canvas.line(points, colour, 2.0)
        return
    piece = max(2, round(len(points) * DASH / COLUMN))
    for i in range(0, len(points) - 1, 2 * piece):
        if len(part := points[i : i + piece + 1]) > 1:
            canvas.line(part, colour, 2.0)


def _bars(scene: Scene) -> tuple[Bar, ...]:
    return next((panel.bars for panel in scene.panels if isinstance(panel, Bars)), ())
