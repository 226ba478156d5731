"""A demo in a terminal: two agents side by side, and the table of how it got there."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from elsinore.envs.scene import Scene
from elsinore.host.demo.album import Page
from elsinore.host.demo.portraits import Portrait, shown, told
from elsinore.host.drawing.palette import DARK
from elsinore.host.drawing.player import MOST_FRAMES
from elsinore.host.drawing.terminal import render

SECONDS, BAR, NARROWEST = 20.0, 30, 44  # of the longest life; characters
PRINTED = 3  # moments shown where there is no terminal


def show_side_by_side(portraits: Sequence[Portrait], console: Console) -> None:
    """Play them by one clock; without a terminal print a few moments."""
    last = max(len(this.episode) for this in portraits) - 1
    if not console.is_terminal:
        for now in np.linspace(0, last, PRINTED, dtype=int):
            console.print(_frame(portraits, int(now), console.width))
        return
    frames = round(min(SECONDS * MOST_FRAMES, last))
    with Live(console=console, refresh_per_second=MOST_FRAMES, vertical_overflow="crop") as live:
        for now in np.linspace(0, last, frames, dtype=int):
            live.update(_frame(portraits, int(now), console.width))
            _wait(SECONDS / frames)


def _wait(seconds: float) -> None:
    import time

    time.sleep(seconds)


def show_progression(pages: Sequence[Page], console: Console, limit: int) -> None:
    """How long the agent lived at each moment, and what it earned."""
    table = Table(title="how it got there", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name, justify in (("agent", "left"), ("steps lived", "left"), ("mean", "right"), ("return", "right")):
        table.add_column(name, justify=justify, style=DARK.of("ink"), header_style=DARK.of("faint"), no_wrap=True)
    for page in pages:
        mean = float(np.mean(page.lengths))
        filled = round(BAR * min(mean / limit, 1.0))
        bar = Text("━" * filled, style=DARK.of("gain" if page.is_last else "calm"))
        bar.append("─" * (BAR - filled), style=DARK.empty)
        table.add_row(page.label, bar, f"{mean:.0f}", f"{np.mean(page.returns):.0f}")
    console.print(table)
    console.print(Text(f"each: the mean of {len(pages[0].lengths)} fresh episodes of at most {limit:,} steps",
                       style=DARK.of("faint")))  # fmt: skip


def _frame(portraits: Sequence[Portrait], now: int, width: int) -> Table:
    """One moment of each; as many beside each other as there is room for."""
    beside = max(1, min(len(portraits), width // NARROWEST))
    room = min(width // beside - 3, 64)
    table = Table.grid(padding=(0, 3, 0, 0))
    cells = [render(_scene(this, now), room) for this in portraits]
    for i in range(0, len(cells), beside):
        table.add_row(*cells[i : i + beside])
    return table


def _scene(this: Portrait, now: int) -> Scene:
    """The world with its amounts, and how far it has got: two agents leave no room for their thoughts."""
    now = min(now, len(this.episode) - 1)
    return Scene(f"{this.heading}: {told(this, now)}", tuple(shown(this.episode.scene(now))))
