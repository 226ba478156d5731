"""Episodes as films: GIF, which everything shows, and MP4, which is smaller and needs the extra `video`."""

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from elsinore.config.build import ConfigError
from elsinore.envs.scene import Scene
from elsinore.host.drawing.company import Company
from elsinore.host.drawing.episode import Episode
from elsinore.host.drawing.image import draw, size_of
from elsinore.host.drawing.palette import DARK, Palette

FASTEST = {".gif": 20.0, ".mp4": 30.0}  # frames a second; GIFs count in hundredths of a second
HELD = 1.5  # seconds that an episode's last frame stays
COLOURS = 128  # of a GIF


def check_film(path: Path) -> None:
    """Refuse what could not be written, before anything is played for it.

    Raises:
        ConfigError: for an ending that is neither .gif nor .mp4, a missing extra, or a folder that is not there.
    """
    if path.suffix.lower() not in FASTEST:
        raise ConfigError(f"a film is written as .gif or .mp4, and {path.name} ends in neither.")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}.")
    if path.suffix.lower() == ".mp4":
        _encoder()


def write_film(path: Path, episodes: Sequence[Episode | Company], speed: float = 1.0, palette: Palette = DARK) -> int:
    """Write one film of all the episodes, as its name's ending says; returns how many frames it has.

    Raises:
        ConfigError: as `check_film`.
    """
    check_film(path)
    fps, scenes = paced(episodes, speed, FASTEST[path.suffix.lower()])
    size = size_of(scenes)
    write = _write_gif if path.suffix.lower() == ".gif" else write_mp4
    write(path, (draw(scene, palette, size) for scene in scenes), fps)
    return len(scenes)


def paced(episodes: Sequence[Episode | Company], speed: float, fastest: float) -> tuple[float, list[Scene]]:
    """Frames a second, and the scenes to show at that pace: some are left out where there would be too many."""
    rate = max(episode.view.steps_per_second for episode in episodes) * (speed or 1.0)
    stride = max(1, math.ceil(rate / fastest))
    fps, scenes = rate / stride, []
    for episode in episodes:
        last = len(episode) - 1
        shown = [episode.scene(now) for now in (*range(0, last, stride), last)]
        scenes += [*shown, *[shown[-1]] * round(HELD * fps)]
    return fps, scenes


def _write_gif(path: Path, frames: Iterator[Image.Image], fps: float) -> None:
    """One table of colours for all the frames: each with its own would flicker."""
    images = list(frames)
    some = images[:: max(1, len(images) // 8)]
    together = Image.fromarray(np.concatenate([np.asarray(image) for image in some]))
    table = together.quantize(COLOURS, dither=Image.Dither.NONE)
    flat = [image.quantize(palette=table, dither=Image.Dither.NONE) for image in images]
    duration = max(20, 10 * round(100 / fps))  # milliseconds, in the hundredths that a GIF counts in
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=duration, loop=0, optimize=False)


def write_mp4(path: Path, frames: Iterator[Image.Image], fps: float) -> None:
    """Write these frames; needs the extra `video`, as `check_film` says."""
    first = next(frames)
    writer = _encoder().write_frames(str(path), first.size, fps=fps, macro_block_size=2, quality=7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # jax warns of a fork; this one becomes ffmpeg at once
        writer.send(None)
    for image in (first, *frames):
        writer.send(np.ascontiguousarray(image))
    writer.close()


def _encoder():
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ConfigError("an MP4 needs imageio-ffmpeg: pip install 'elsinore[video]', or write a .gif.") from error
    return imageio_ffmpeg
