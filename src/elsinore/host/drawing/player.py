"""Playing an episode in a terminal: frames in place, or one below the other where there is no terminal."""

import time

from rich.console import Console
from rich.live import Live

from elsinore.host.drawing.company import Company
from elsinore.host.drawing.episode import Episode
from elsinore.host.drawing.terminal import render

MOST_FRAMES = 30.0  # a second: faster episodes skip some


def play(episode: Episode | Company, console: Console, *, speed: float = 1.0, every: int = 0) -> None:
    """Show the whole episode.

    `speed` 1 is the world's own pace, 2 twice that, 0 as fast as the terminal takes it. `every`: without a terminal,
    print each so-manieth step; 0 is about ten frames in all.
    """
    if not console.is_terminal:
        _print(episode, console, every)
        return
    rate = episode.view.steps_per_second * speed
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        began, now = time.monotonic(), 0
        while True:
            live.update(render(episode.scene(now), console.width), refresh=True)
            if now == len(episode) - 1:
                return
            now = min(_next(now, rate, began), len(episode) - 1)


def _next(now: int, rate: float, began: float) -> int:
    """The step to show after `now`, once it is time for it."""
    if rate == 0:
        return now + 1
    ahead = max(1.0, rate / MOST_FRAMES)
    time.sleep(max(0.0, began + (now + ahead) / rate - time.monotonic()))
    return max(now + 1, int((time.monotonic() - began) * rate + 1e-6))


def step(episode: Episode | Company, console: Console) -> bool:
    """Show the next step whenever Enter is pressed; False if the user has seen enough."""
    for now in range(len(episode)):
        console.print(render(episode.scene(now), console.width))
        if console.input("[dim]Enter: next step, q: enough [/]").strip().lower().startswith("q"):
            return False
    return True


def _print(episode: Episode | Company, console: Console, every: int) -> None:
    every = every or max(1, len(episode) // 10)
    for now in range(len(episode)):
        if now % every == 0 or now == len(episode) - 1:
            console.print(render(episode.scene(now), console.width))
