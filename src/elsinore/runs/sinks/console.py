"""The progress line of a run: updated in a terminal, or a new line now and then without one."""

import copy
import logging
import math
import os
import re
import shutil
import sys
import textwrap
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from elsinore.config.experiment import StopConfig
from elsinore.runs.budgets import Spent
from elsinore.runs.records import EPISODE_COUNT, ChunkRecord, Row, return_text
from elsinore.runs.sinks.seed_means import SeedMeans

SPEED_CHUNKS = 5  # over which the speed is a mean: some wait for the host, the next are ready
log = logging.getLogger("elsinore")
IN_ENV_STEPS = StopConfig()  # no budget in another unit
PROGRESS = "elsinore.progress"  # the logger of progress lines, which the terminal shows itself


class Console:
    """Writes progress, returns, steps per second, elapsed and remaining time.

    `stop` is the budget in another unit than env steps, `spent` is counted on from that of before a
    resume, `evaluations` are the rows of before. Members of a population differ in settings, so
    returns are of the best one: `seeds_of_best` gives its seeds from the newest evaluation of each.
    """

    def __init__(
        self,
        total_env_steps: int,
        num_seeds: int,
        stream=None,
        what: str = "seeds",
        stop: StopConfig = IN_ENV_STEPS,
        spent: Spent | None = None,
        evaluations: Iterable[Row] = (),
        seeds_of_best: Callable[[Mapping[int, float]], Sequence[int]] | None = None,
    ):
        self._total, self._seeds, self._what = total_env_steps, num_seeds, what
        self._stop, self._spent = stop, copy.deepcopy(spent) or Spent()
        self._seeds_of_best = seeds_of_best
        self._means = SeedMeans(seeds_of_best)
        self._means.add(evaluations)
        self._recent: deque[ChunkRecord] = deque(maxlen=SPEED_CHUNKS)
        self._stream = stream or sys.stdout
        self._live = is_terminal(self._stream)
        self._last_shown, self._every = 0.0, 0.1 if self._live else 2.0
        self._unshown: ChunkRecord | None = None  # the newest, until its line is shown
        self._rows = 0  # of the terminal, that the line takes which the next one replaces

    def write(self, record: ChunkRecord) -> None:
        self.count(record)
        finished = self._share(record) >= 1
        if not finished and time.monotonic() - self._last_shown < self._every:
            self._unshown = record
            return
        self._last_shown, self._unshown = time.monotonic(), None
        self.show(self.line(record))

    def count(self, record: ChunkRecord) -> None:
        """Count the chunk's time and steps, and its evaluations."""
        self._spent.add(record.rows, record.seconds)
        self._recent.append(record)
        self._means.add(record.rows)

    def show(self, line: str) -> None:
        if not self._live:
            # one write, also to an unbuffered stream: a warning of another thread is not within it
            print(f"{line}\n", end="", file=self._stream, flush=True)
            return
        log.addFilter(self._end_line)
        rows = wrapped(line, shutil.get_terminal_size().columns - 1)
        up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
        print(f"\r{up}\x1b[J" + "\n".join(rows), end="", file=self._stream, flush=True)
        self._rows = len(rows)

    def _end_line(self, _: logging.LogRecord | None = None) -> bool:
        """Leave the line as it is: what comes next, such as a record of the log, is below it."""
        if self._rows:
            print(file=self._stream, flush=True)
            self._rows = 0
        return True

    def mean(self, record: ChunkRecord, name: str) -> float | None:
        """The mean of a metric's finite values over seeds, those of the best member in a
        population; None without any."""
        values = defaultdict(list)
        for row in record.rows:
            if row.name == name and not row.agent and math.isfinite(row.value):
                values[row.seed].append(row.value)
        return self._means.of(name, {seed: sum(xs) / len(xs) for seed, xs in values.items()})

    def line(self, record: ChunkRecord) -> str:
        share = self._share(record)
        bar = "#" * round(20 * share)
        parts = [f"[{bar:<20}] {share:4.0%}"]
        if self._stop.unit:
            parts.append(self._spent.of_all(self._stop))
        most = "" if self._stop.episodes else f" of {self._total:,}"  # episodes end before these
        parts.append(f"{record.env_steps:,}{most} steps")
        labels = {"episode/return": "training", "eval/return": "evaluation"}
        means = {label: self.mean(record, name) for name, label in labels.items()}
        found = [f"{label} {return_text(x)}" for label, x in means.items() if x is not None]
        if found and self._seeds_of_best:
            found[-1] += " of the best member"
        parts += found
        # a callback may log numbers of seeds that have stopped, too
        learning = len({row.seed for row in record.rows if row.name == EPISODE_COUNT})
        if self._seeds > 1:
            parts.append(f"{learning} of {self._seeds} {self._what} learning")
        speed = self._speed()
        parts.append(f"{speed:,.0f} steps/s")
        left = (self._total - record.env_steps) * max(learning, 1) / max(speed, 1e-9)
        gone = self._spent.seconds
        if spent := self._spent.share(self._stop):
            left = min(left, gone * (1 - spent) / spent)
        parts.append(f"{_duration(gone)} gone, {_duration(left)} left")
        return "  ".join(parts)

    def _share(self, record: ChunkRecord) -> float:
        """The part of the budget that is used, from 0 to 1."""
        return max(record.env_steps / self._total, self._spent.share(self._stop))

    def _speed(self) -> float:
        """Env steps a second, of all seeds together, over the last chunks."""
        seconds = sum(record.seconds for record in self._recent)
        steps = sum(record.steps_per_second * record.seconds for record in self._recent)
        return steps / seconds if seconds else 0.0

    def close(self) -> None:
        if self._unshown is not None:  # a run may end before its budget
            self.show(self.line(self._unshown))
            self._unshown = None
        log.removeFilter(self._end_line)
        self._end_line()


class ProgressLog(Console):
    """Writes the progress line to the run's log, every 30 seconds."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._live, self._every = False, 30.0

    def show(self, line: str) -> None:
        logging.getLogger(PROGRESS).info(line)


def wrapped(line: str, width: int) -> list[str]:
    """The rows of a progress line in a narrow terminal, cut between its parts."""
    kept = re.sub(r"(?<! ) (?! )", "\xa0", line)  # within a part
    return [row.replace("\xa0", " ") for row in textwrap.wrap(kept, max(width, 1))]


def is_terminal(stream) -> bool:
    """True for a stream that is a terminal's, of one that can move its cursor; False also for one
    that is closed, or that the process began without (None)."""
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        return False


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
