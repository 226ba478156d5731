"""A demo in the terminal: two agents side by side, and the table of snapshots."""

import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from elsinore.envs.scene import Scene
from elsinore.errors import counted
from elsinore.view.demo.episodes import DemoEpisode
from elsinore.view.demo.side_by_side import AgentColumn, main_panels, status_line
from elsinore.view.drawing.palette import DARK
from elsinore.view.drawing.player import MOST_FRAMES
from elsinore.view.drawing.terminal import render

SECONDS, BAR, MIN_WIDTH = 20.0, 30, 44  # of the longest episode; characters; characters
PRINTED = 3  # steps printed without a terminal


def show_side_by_side(columns: Sequence[AgentColumn], console: Console) -> None:
    """Play episodes on one clock; without a terminal, print a few steps."""
    last = max(len(column.episode) for column in columns) - 1
    if not console.is_terminal:
        for now in np.linspace(0, last, PRINTED, dtype=int):
            console.print(_frame(columns, int(now), console.width))
        return
    frames = round(min(SECONDS * MOST_FRAMES, last))
    with Live(console=console, refresh_per_second=MOST_FRAMES, vertical_overflow="crop") as live:
        for now in np.linspace(0, last, frames, dtype=int):
            live.update(_frame(columns, int(now), console.width))
            time.sleep(SECONDS / frames)


def show_progression(episodes: Sequence[DemoEpisode], console: Console, limit: int) -> None:
    """Print the mean length and return at each snapshot."""
    table = Table(title="progression", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("agent", "episode length", "mean", "return"):
        table.add_column(
            name,
            justify="left" if name in ("agent", "episode length") else "right",
            style=DARK.of("ink"),
            header_style=DARK.of("faint"),
            no_wrap=True,
        )
    for episode in episodes:
        mean = float(np.mean(episode.lengths))
        filled = round(BAR * min(mean / limit, 1.0))
        bar = Text("━" * filled, style=DARK.of("gain" if episode.is_last else "calm"))
        bar.append("─" * (BAR - filled), style=DARK.empty)
        table.add_row(episode.label, bar, f"{mean:.0f}", f"{np.mean(episode.returns):.0f}")
    console.print(table)
    count = len(episodes[0].lengths)
    text = f"each row: mean of {counted(count, 'new episode')} of at most {counted(limit, 'step')}"
    console.print(Text(text, style=DARK.of("faint")))


def _frame(columns: Sequence[AgentColumn], now: int, width: int) -> Table:
    """One step of each agent, as many side by side as the width allows."""
    per_row = max(1, min(len(columns), width // MIN_WIDTH))
    room = min(width // per_row - 3, 64)
    table = Table.grid(padding=(0, 3, 0, 0))
    cells = [render(_scene(column, now), room) for column in columns]
    for i in range(0, len(cells), per_row):
        table.add_row(*cells[i : i + per_row])
    return table


def _scene(column: AgentColumn, now: int) -> Scene:
    """The main panels with a status line as title; policy panels are left out."""
    now = min(now, len(column.episode) - 1)
    title = f"{column.heading}: {status_line(column, now)}"
    return Scene(title, tuple(main_panels(column.episode.scene(now))))
