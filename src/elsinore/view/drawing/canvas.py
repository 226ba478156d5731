"""A canvas in points, drawn at twice the size and then halved for smooth edges."""

from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SCALE = 2  # pixels per point while drawing

Point = tuple[float, float]


@cache
def font(size: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has degrees, card suits and arrows."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(
        Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, round(size * SCALE)
    )


def text_width(words: str, size: float, bold: bool = False) -> float:
    """The width of a line of text, in points."""
    return font(size, bold).getlength(words) / SCALE


class Canvas:
    """Lengths are points, from the top left corner; colours are "#rrggbb"."""

    def __init__(self, width: float, height: float, background: str):
        self.width, self.height = width, height
        self._image = Image.new("RGB", (round(width * SCALE), round(height * SCALE)), background)
        self._draw = ImageDraw.Draw(self._image)

    def finished(self) -> Image.Image:
        return self._image.resize((round(self.width), round(self.height)), Image.Resampling.LANCZOS)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: str,
        radius: float = 0.0,
        edge: str | None = None,
        edge_width: float = 1.5,
    ) -> None:
        """A filled rectangle with round corners."""
        if width <= 0 or height <= 0:
            return
        left, top = x * SCALE, y * SCALE
        corners = (left, top, left + max(width * SCALE - 1, 0), top + max(height * SCALE - 1, 0))
        radius = min(radius, width / 2, height / 2)
        self._draw.rounded_rectangle(
            corners,
            radius * SCALE,
            fill=colour,
            outline=edge,
            width=round(edge_width * SCALE) if edge else 1,
        )

    def disc(self, x: float, y: float, radius: float, colour: str, edge: str | None = None) -> None:
        left, top, right, bottom = x - radius, y - radius, x + radius, y + radius
        corners = (left * SCALE, top * SCALE, right * SCALE, bottom * SCALE)
        self._draw.ellipse(corners, fill=colour, outline=edge, width=2 * SCALE)

    def line(self, points: list[Point], colour: str, thickness: float) -> None:
        """With round joints and ends."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill=colour, width=max(1, round(thickness * SCALE)), joint="curve")
        if thickness > 2:
            for x, y in (points[0], points[-1]):
                self.disc(x, y, thickness / 2, colour)

    def picture(self, x: float, y: float, width: float, height: float, image: Image.Image) -> None:
        """An image, scaled to that size; small ones keep their square pixels."""
        size = (round(width * SCALE), round(height * SCALE))
        how = Image.Resampling.NEAREST if image.width < width else Image.Resampling.LANCZOS
        self._image.paste(image.resize(size, how), (round(x * SCALE), round(y * SCALE)))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str,
        size: float = 13,
        anchor: str = "lm",
        bold: bool = False,
        room: float | None = None,
    ) -> None:
        """Text with its `anchor` (as in Pillow) at (x, y), cut if it is longer than `room`."""
        face = font(size, bold)
        if room is not None:
            words = cut(words, room, face)
        self._draw.text((x * SCALE, y * SCALE), words, fill=colour, font=face, anchor=anchor)


def cut(words: str, room: float, face: ImageFont.FreeTypeFont) -> str:
    """The words, shortened with an ellipsis to `room` points."""
    if face.getlength(words) <= room * SCALE:
        return words
    while words and face.getlength(words + "…") > room * SCALE:
        words = words[:-1]
    return words + "…" if words else ""
