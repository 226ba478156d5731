"""Episodes as films: GIF, or MP4, which is smaller and needs the extra `video`."""

import math
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from elsinore.envs.scene import Scene
from elsinore.errors import ConfigError
from elsinore.runs.files.whole_file import whole_file
from elsinore.view.drawing.episode import Episode
from elsinore.view.drawing.image import draw_scene, image_size
from elsinore.view.drawing.multi_agent import MultiAgentEpisode
from elsinore.view.drawing.palette import DARK, Palette

FASTEST = {".gif": 20.0, ".mp4": 30.0}  # frames per second; GIFs count in hundredths of a second
HELD = 1.5  # seconds for which the last frame of an episode stays
GIF_COLOURS = 128


def check_film(path: Path) -> None:
    """Check that a film can be written, before any episode is played.

    Raises:
        ConfigError: for a suffix other than .gif and .mp4, a missing extra, or a missing folder.
    """
    if path.suffix.lower() not in FASTEST:
        raise ConfigError(f"a film is written as .gif or .mp4, and {path.name} ends in neither.")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}.")
    if path.suffix.lower() == ".mp4":
        _encoder()


def write_film(
    path: Path,
    episodes: Sequence[Episode | MultiAgentEpisode],
    speed: float = 1.0,
    palette: Palette = DARK,
) -> int:
    """Write one film of all episodes, .gif or .mp4; returns the number of frames in it.

    Raises:
        ConfigError: as `check_film`, or if it cannot be written, such as on a full disk.
    """
    check_film(path)
    fps, scenes = paced(episodes, speed, FASTEST[path.suffix.lower()])
    draw = partial(draw_scene, palette=palette, size=image_size(scenes))
    with whole_file(path) as unfinished:
        if path.suffix.lower() == ".mp4":
            write_mp4(unfinished, map(draw, scenes), fps)
        else:
            some = scenes[:: max(1, len(scenes) // 8)]
            _write_gif(unfinished, map(draw, scenes), fps, list(map(draw, some)))
    return len(scenes) if path.suffix.lower() == ".mp4" else frames_in(path)


def frames_in(gif: Path) -> int:
    """The frames of a GIF: of equal ones in a row it has one, which stays as long as all."""
    with Image.open(gif) as film:
        return getattr(film, "n_frames", 1)


def paced(
    episodes: Sequence[Episode | MultiAgentEpisode], speed: float, fastest: float
) -> tuple[float, list[Scene]]:
    """Frames per second, and the scenes to show; steps are skipped above `fastest`."""
    rate = max(episode.view.steps_per_second for episode in episodes) * (speed or 1.0)
    stride = max(1, math.ceil(rate / fastest))
    fps, scenes = rate / stride, []
    for episode in episodes:
        last = len(episode) - 1
        shown = [episode.scene(now) for now in (*range(0, last, stride), last)]
        scenes += [*shown, *[shown[-1]] * round(HELD * fps)]
    return fps, scenes


def _write_gif(
    path: Path, frames: Iterator[Image.Image], fps: float, some: Sequence[Image.Image]
) -> None:
    """Write frames with one palette, that of `some` of them; a palette per frame flickers.

    Frames are drawn one at a time: those of a long episode take gigabytes.
    """
    together = Image.fromarray(np.concatenate([np.asarray(image) for image in some]))
    palette = together.quantize(GIF_COLOURS, dither=Image.Dither.NONE)
    flat = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in frames)
    duration = max(20, 10 * round(100 / fps))  # milliseconds, a multiple of 10
    next(flat).save(
        path, save_all=True, append_images=flat, duration=duration, loop=0, optimize=False
    )


def write_mp4(path: Path, frames: Iterator[Image.Image], fps: float) -> None:
    """Write frames as MP4; needs the extra `video`, see `check_film`.

    Raises:
        OSError: if the file cannot be written.
    """
    failed = "ffmpeg could not complete the film, and says why on stderr"
    first = next(frames)
    writer = _encoder().write_frames(str(path), first.size, fps=fps, macro_block_size=2, quality=7)
    with warnings.catch_warnings():
        # jax warns of forks; this one execs ffmpeg at once
        warnings.simplefilter("ignore", RuntimeWarning)
        writer.send(None)
    for image in (first, *frames):
        array = np.ascontiguousarray(image)
        try:
            writer.send(array)
        except OSError as error:  # its own text is ffmpeg's whole command
            raise OSError(failed) from error
    writer.close()
    try:  # it does not raise what ffmpeg fails of at the end
        _encoder().count_frames_and_secs(str(path))
    except RuntimeError as error:
        raise OSError(failed) from error


def _encoder():
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ConfigError(
            "an MP4 needs imageio-ffmpeg: pip install 'elsinore[video]', or write a .gif."
        ) from error
    return imageio_ffmpeg
