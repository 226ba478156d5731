"""Pictures that a library draws of its environment, as a panel of a scene."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from elsinore.envs.scene import Picture

LARGEST = 400  # pixels of the longer side


def picture(title: str, pixels: Any, largest: int = LARGEST) -> Picture:
    """A panel of an image as `shrunk` takes it."""
    image = Image.fromarray(shrunk(pixels, largest))
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return Picture(title, *image.size, base64.b64encode(packed.getvalue()).decode())


def shrunk(pixels: Any, largest: int) -> np.ndarray:
    """An image with no side longer than `largest`, uint8 [height, width, 3].

    Args:
        pixels: 0 .. 255, [height, width, 1, 3 or 4], or of greys [height, width].
    """
    pixels = np.asarray(pixels, np.uint8)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    image = Image.fromarray(np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels[..., :3])
    image.thumbnail((largest, largest))
    return np.asarray(image)


def image_of(panel: Picture) -> Image.Image:
    """The image of a panel."""
    return Image.open(io.BytesIO(base64.b64decode(panel.png))).convert("RGB")
