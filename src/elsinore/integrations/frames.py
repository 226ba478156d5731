"""Frames of an environment for Gymnasium and PettingZoo: `render_mode="rgb_array"`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from elsinore.envs.scene import Scene
from elsinore.errors import ConfigError

RENDER_MODES = (None, "rgb_array")


def check_render_mode(render_mode: Any) -> None:
    """Refuse an unknown render mode, before an environment is compiled.

    Raises:
        ConfigError: for a render mode that is neither None nor "rgb_array".
    """
    if render_mode not in RENDER_MODES:
        raise ConfigError(
            f"render_mode={render_mode!r} is not known; choose 'rgb_array', for frames as arrays,"
            " or None."
        )


class Frames:
    """Draws scenes as arrays that all have the size of the first one, as films need."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    def draw(self, render_mode: str | None, scene: Callable[[], Scene] | None) -> np.ndarray | None:
        """A frame, uint8 [height, width, 3]; None without a render mode. A scene that has become
        larger is scaled down.

        Raises:
            ValueError: without a scene, which there is from the first reset on.
        """
        from PIL import ImageOps

        from elsinore.view.drawing.image import draw_scene, image_size
        from elsinore.view.drawing.palette import DARK

        if render_mode is None:
            return None
        if scene is None:
            raise ValueError("render() was called before the first reset(); call reset() first.")
        now = scene()
        needed = image_size([now])
        size = self._size = self._size or needed
        larger = tuple(map(max, size, needed))
        frame = draw_scene(now, DARK, larger)
        return np.asarray(ImageOps.pad(frame, size, color=DARK.background))
