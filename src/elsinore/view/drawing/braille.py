"""Figures in the terminal: a braille character is a cell of two by four square dots."""

import numpy as np
from rich.text import Text

from elsinore.envs.scene import Circle, Figure, Line, Rectangle, Shape, Words
from elsinore.view.drawing.palette import Palette

# bit of each dot, by row and column (Unicode block 2800)
DOT_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
THINNEST = 0.55  # dots: half of the minimum line thickness


def render_figure(figure: Figure, palette: Palette, columns: int) -> Text:
    """The figure as text, `columns` characters wide."""
    rows = max(1, round(columns / 2 / figure.aspect))
    dots = _dots(figure, rows * 4, columns * 2)
    words = _words(figure, rows, columns)
    text = Text()
    for row in range(rows):
        for column in range(columns):
            letter, role = words.get((row, column)) or _cell(figure, dots, row, column)
            text.append(letter, style=palette.of(role) if role else "")
        text.append("\n" if row < rows - 1 else "")
    return text


def _dots(figure: Figure, height: int, width: int) -> np.ndarray:
    """Index of the topmost shape at each dot, [height, width]; -1 for none."""
    y, x = np.mgrid[0:height, 0:width]
    y, x = (height - 0.5 - y) / height, (x + 0.5) / height  # units of the figure
    dots = np.full((height, width), -1)
    for i, shape in enumerate(figure.shapes):
        dots[_covers(shape, x, y, THINNEST / height)] = i
    return dots


def _covers(shape: Shape, x: np.ndarray, y: np.ndarray, least: float) -> np.ndarray:
    """Mask of the points on a shape."""
    if isinstance(shape, Circle):
        return (x - shape.x) ** 2 + (y - shape.y) ** 2 <= max(shape.radius, least) ** 2
    if isinstance(shape, Rectangle):
        across, up = max(shape.width / 2, least), max(shape.height / 2, least)
        return (abs(x - shape.x) <= across) & (abs(y - shape.y) <= up)
    if isinstance(shape, Line):
        reach = max(shape.thickness / 2, least)
        pairs = zip(shape.points, shape.points[1:], strict=False)
        return np.any([_distance(x, y, *pair) <= reach for pair in pairs], axis=0)
    return np.zeros(x.shape, bool)


def _distance(x, y, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Distance of each point to the segment from `start` to `end`."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / max(dx * dx + dy * dy, 1e-12)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)


def _words(figure: Figure, rows: int, columns: int) -> dict[tuple[int, int], tuple[str, str]]:
    """(letter, role) of the figure's words, by cell."""
    letters = {}
    for shape in figure.shapes:
        if isinstance(shape, Words):
            row = min(max(int((1 - shape.y) * rows), 0), rows - 1)
            start = round(shape.x * rows * 2) - len(shape.text) // 2
            start = min(max(start, 0), max(columns - len(shape.text), 0))
            letters |= {
                (row, start + i): (letter, shape.role) for i, letter in enumerate(shape.text)
            }
    return letters


def _cell(figure: Figure, dots: np.ndarray, row: int, column: int) -> tuple[str, str]:
    """One character and its role, that of the topmost shape among its dots."""
    here = dots[row * 4 : row * 4 + 4, column * 2 : column * 2 + 2]
    top = int(here.max())
    if top < 0:
        return " ", ""
    return chr(0x2800 + int(DOT_BITS[here >= 0].sum())), figure.shapes[top].role
