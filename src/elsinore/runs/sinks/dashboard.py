"""A dashboard in the terminal: the curves of a run while it trains, and its newest replay, in
braille."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.columns import Columns
from rich.console import Console as Terminal
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from elsinore.runs.plain_console import PlainConsole
from elsinore.runs.records import ChunkRecord
from elsinore.runs.replays.files import list_replays
from elsinore.runs.sinks.console import Console

log = logging.getLogger("elsinore")
CURVES = {
    "episode/return": "training return",
    "eval/return": "evaluation return",
    "loss/value": "value loss",
    "policy/entropy": "entropy of the policy",
    "loss/td_error": "TD error",
    "schedule/epsilon": "random actions",
}
SHOWN = 4  # curves at most
WIDTH, HEIGHT = 44, 6  # of a curve, in characters, where the terminal is that wide
SCENE = 56  # width of the agent's scene, likewise
MOST_VALUES = 4000  # of a curve; then every second one is left out
FRAME = 4  # columns of a panel beside what it shows
BLANK = "\u2800"  # the braille character without dots
# bits of the dots of a braille character, [row, column]
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


class Dashboard(Console):
    """The progress line with a curve of each metric below it: the mean over seeds, chunk by chunk,
    and its newest value; and below them the newest of `replays`, a step further after each chunk.

    It needs a terminal, and draws into `terminal` (rich's) where one is given.
    """

    def __init__(
        self,
        *args,
        terminal: Terminal | None = None,
        replays: Path | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self._replays, self._shown, self._time = replays, None, 0
        self._history: dict[str, list[float]] = defaultdict(list)
        self._seen: Counter[str] = Counter()  # values of each curve
        self._stride: dict[str, int] = defaultdict(lambda: 1)  # values for each that is kept
        self._live_view = Live(console=terminal or PlainConsole(), auto_refresh=False)
        self._live_view.start()

    def write(self, record: ChunkRecord) -> None:
        self.count(record)
        for name in CURVES:
            if (mean := self.mean(record, name)) is not None:
                self._keep(name, mean)
        self._live_view.update(self.view(record), refresh=True)

    def _keep(self, name: str, value: float) -> None:
        """Add the newest value of a curve; of a long one every `stride`-th and the newest stay."""
        values, seen, stride = self._history[name], self._seen[name], self._stride[name]
        if (seen - 1) % stride:
            values[-1] = value
        else:
            values.append(value)
        self._seen[name] += 1
        if len(values) > MOST_VALUES and seen % stride == 0:
            self._history[name] = values[::2]
            self._stride[name] *= 2

    def view(self, record: ChunkRecord) -> Group:
        """The whole dashboard after a chunk."""
        names = [name for name in CURVES if self._history[name]][:SHOWN]
        width = self._room(WIDTH)
        panels = [_panel(CURVES[name], self._history[name], width) for name in names]
        scene = self._scene()
        scenes = [] if scene is None else [scene]
        return Group(Text(self.line(record)), Columns(panels), *scenes)

    def _room(self, width: int) -> int:
        """The width of what a panel shows, at most this: in a narrow terminal a line that wrapped
        would draw nothing."""
        return max(1, min(width, self._live_view.console.width - FRAME))

    def _scene(self) -> RenderableType | None:
        """The next step of the newest replay; None without one, or where it cannot be drawn."""
        from elsinore import scene  # which draws: runs are drawn from, and draw nothing themselves

        found = list_replays(self._replays) if self._replays is not None else []
        if not found:
            return None
        if found[-1] != self._shown:
            self._shown, self._time = found[-1], 0
        try:
            width = self._room(SCENE)
            drawn = scene(found[-1], self._time, width)
        except Exception as error:  # an environment that is an object, mostly
            log.warning("the dashboard cannot draw %s: %s", found[-1].name, error)
            self._replays = None
            return None
        self._time += 1
        return Panel(drawn, title="agent", box=box.ROUNDED, width=width + FRAME)

    def close(self) -> None:
        self._live_view.stop()


def _panel(title: str, values: Sequence[float], width: int) -> Panel:
    low, high = min(values), max(values)
    curve = "\n".join(braille(values, width, HEIGHT))
    return Panel(
        Text(curve),
        title=f"{title} {values[-1]:.4g}",
        subtitle=f"{low:.4g} to {high:.4g}",
        box=box.ROUNDED,
        width=width + FRAME,
    )


def braille(values: Sequence[float], width: int, height: int) -> list[str]:
    """A curve as `height` lines of `width` braille characters, each 2 x 4 dots; one without dots is
    a space, which is blank in every encoding.

    Of more values than columns of dots, those of a column are averaged.
    """
    columns, rows = 2 * width, 4 * height
    parts = np.array_split(np.asarray(values, float), min(len(values), columns))
    means = np.array([part.mean() for part in parts])
    low, high = float(means.min()), float(means.max())
    y = np.round((means - low) / ((high - low) or 1.0) * (rows - 1)).astype(int)
    x = np.round(np.linspace(0, columns - 1, len(means))).astype(int) if len(means) > 1 else [0]
    codes = np.full((height, width), ord(BLANK))
    for column, up in zip(x, y, strict=True):
        row = rows - 1 - up
        codes[row // 4, column // 2] |= DOTS[row % 4, column % 2]
    return ["".join(map(chr, line)).replace(BLANK, " ") for line in codes]
