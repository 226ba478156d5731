"""Pictures that a library draws of its environment, as a panel of a scene."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from elsinore.envs.scene import Picture

LARGEST = 400  # pixels of the longer side


def picture(title: str, pixels: Any, largest: int = LARGEST) -> Picture:
    """A panel of an image, [height, width, 3 or 4] in 0 .. 255, made smaller if need be."""
    image = Image.fromarray(shrunk(pixels, largest))
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return Picture(title, *image.size, base64.b64encode(packed.getvalue()).decode())


def shrunk(pixels: Any, largest: int) -> np.ndarray:
    """An image with no side longer than `largest`, uint8 [height, width, 3]."""
    image = Image.fromarray(np.asarray(pixels, np.uint8)[..., :3])
    image.thumbnail((largest, largest))
    return np.asarray(image)


def image_of(panel: Picture) -> Image.Image:
    """The image of a panel."""
    return Image.open(io.BytesIO(base64.b64decode(panel.png))).convert("RGB")
