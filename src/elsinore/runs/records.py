"""The records of a run: rows of metrics, finished episodes, events, and chunks of these."""

from typing import NamedTuple

EPISODE_COUNT = "episode/count"  # at the end of each row of metrics, of every seed and agent


def is_evaluation(name: str) -> bool:
    """True for a metric of evaluations, which a seed that has stopped keeps."""
    return name.startswith("eval/")


def return_text(value: float | None) -> str:
    """A return for people: one decimal, below 1 three significant digits; `not finite` for None."""
    if value is None:
        return "not finite"
    return f"{value:.1f}" if value == 0 or abs(value) >= 1 else f"{value:.3g}"


class Row(NamedTuple):
    """One number of one seed, after `update` updates."""

    update: int
    seed: int
    agent: str  # "" for metrics of the seed's learner as a whole
    name: str
    value: float


class FinishedEpisode(NamedTuple):
    """One training episode, with the end of the row of metrics that it is in."""

    update: int
    seed: int
    position: int  # among those of its seed in one chunk, in the order they ended
    agent: str  # "" for a single agent
    episode_return: float
    length: int


class RunEvent(NamedTuple):
    """A message for people, after `update` updates."""

    update: int
    kind: str
    text: str


class ChunkRecord(NamedTuple):
    """The metrics, times and events of one chunk."""

    update: int  # updates done by the seed that did most
    env_steps: int  # of that seed
    rows: list[Row]
    finished_at: float  # seconds since the epoch
    seconds: float
    steps_per_second: float  # of all seeds together
    events: tuple[RunEvent, ...] = ()
    asked: bool = False  # callbacks that act have seen it
    finished: tuple[FinishedEpisode, ...] = ()  # with `rows: episode`
