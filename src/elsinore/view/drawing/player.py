"""Episodes played in a terminal in place, or printed frame by frame without one."""

import time

from rich.console import Console
from rich.live import Live

from elsinore.view.drawing.episode import Episode
from elsinore.view.drawing.multi_agent import MultiAgentEpisode
from elsinore.view.drawing.terminal import render

MOST_FRAMES = 30.0  # per second; faster episodes skip steps


def show_episode(
    episode: Episode | MultiAgentEpisode, console: Console, *, speed: float = 1.0, every: int = 0
) -> None:
    """Show the whole episode.

    Args:
        speed: 1 is the environment's default speed, 2 twice that, 0 as fast as possible.
        every: without a terminal, print every n-th step; 0: about ten steps in total.
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
    """Wait for the next frame; returns its step."""
    if rate == 0:
        return now + 1
    ahead = max(1.0, rate / MOST_FRAMES)
    time.sleep(max(0.0, began + (now + ahead) / rate - time.monotonic()))
    return max(now + 1, int((time.monotonic() - began) * rate + 1e-6))


def step_through(episode: Episode | MultiAgentEpisode, console: Console) -> bool:
    """Show a step per Enter; returns False if the user quits, or the input ends."""
    for now in range(len(episode)):
        console.print(render(episode.scene(now), console.width))
        try:
            line = console.input("[dim]Enter: next step, q: quit [/]")
        except EOFError:
            console.print()
            return False
        if line.strip().lower().startswith("q"):
            return False
    return True


def _print(episode: Episode | MultiAgentEpisode, console: Console, every: int) -> None:
    every = every or max(1, len(episode) // 10)
    for now in range(len(episode)):
        if now % every == 0 or now == len(episode) - 1:
            console.print(render(episode.scene(now), console.width))
