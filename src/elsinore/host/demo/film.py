"""Agents side by side as a film: one clock for all, and whoever is dead waits for the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from elsinore.host.demo.portraits import Portrait, draw_portraits
from elsinore.host.drawing.film import check_film, write_mp4

FRAMES, FPS, HELD = 200, 12.5, 25  # frames at most, frames a second, frames that the end is held
COLOURS = 96


def write_side_by_side(path: Path, portraits: Sequence[Portrait], title: str) -> int:
    """Write the film, as its name's ending says, .gif or .mp4; returns how many frames it has.

    Raises:
        ConfigError: where it cannot be written so.
    """
    check_film(path)
    last = max(len(this.episode) for this in portraits) - 1
    stride = -(-last // FRAMES) or 1
    times = [*range(0, last, stride), last]
    images = [draw_portraits(portraits, title, time) for time in times]
    images += [images[-1]] * HELD
    if path.suffix.lower() == ".mp4":
        write_mp4(path, iter(images), FPS)
        return len(images)
    table = _table([images[0], images[len(times) // 2], images[-1]])
    flat = [image.quantize(palette=table, dither=Image.Dither.NONE) for image in images]
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=round(1000 / FPS), loop=0)
    return len(flat)


def _table(images: Sequence[Image.Image]) -> Image.Image:
    """One table of colours for all the frames: each with its own would flicker."""
    together = Image.fromarray(np.concatenate([np.asarray(image) for image in images]))
    octree = Image.Quantize.FASTOCTREE  # the default, median cut, loses an agent's colour: it is too small a part
    return together.quantize(COLOURS, method=octree, dither=Image.Dither.NONE)
