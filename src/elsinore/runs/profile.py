"""A run's time by phase and by compiled program: `elsinore train --profile`.

The phases follow one another on the main thread and add up to the life of the process. Without a
profile `phase` does nothing.
"""

import atexit
import contextlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from elsinore.errors import counted
from elsinore.runs.files.durable import new_file

FILE = "profile.json"
TRACE_SECONDS = 10.0  # of training at most: a trace of a minute is too large to be looked at
STEPS = {  # jax's events, by the name in the table
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
CACHE_HIT = "/jax/compilation_cache/cache_hits"
UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, into MiB


class Moment(NamedTuple):
    """Time and memory of the process since it began."""

    wall: float  # seconds
    cores: float  # seconds of all threads
    peak: float  # MiB of resident memory, the most so far


class Step(NamedTuple):
    """One tracing, lowering or compilation, in seconds of one clock."""

    kind: str
    program: str
    thread: int
    began: float
    ended: float
    cached: bool  # taken from the persistent cache


class PhaseTimes:
    """Seconds by phase and by program of this process, printed and written when it exits."""

    def __init__(self, traces: bool = False):
        """`traces`: also write a `jax.profiler` trace of the first seconds of training."""
        self.traces = traces
        self.folder: Path | None = None  # the run's, once there is one
        self._began = time.perf_counter() - process_age()
        self._main, self._hits = threading.get_ident(), threading.local()
        self._phases: dict[str, Moment] = {}
        self._steps: list[Step] = []
        self._name, self._since = "start", Moment(0.0, 0.0, 0.0)

    def switch(self, name: str) -> str:
        """Begin a phase; returns the one that it ends. Other threads than the first change none."""
        before = self._name
        if threading.get_ident() == self._main and name != before:
            now, since = self._now(), self._since
            wall, cores, _ = self._phases.get(before, Moment(0.0, 0.0, 0.0))
            wall, cores = wall + now.wall - since.wall, cores + now.cores - since.cores
            self._phases[before] = Moment(wall, cores, now.peak)
            self._name, self._since = name, now
        return before

    def listen(self) -> None:
        """Note what jax traces, lowers and compiles from now on."""
        import jax.monitoring

        jax.monitoring.register_event_time_span_listener(self._on_span)
        jax.monitoring.register_event_listener(self._on_event)

    def report(self) -> dict[str, Any]:
        """Plain data: the phases in order, the programs by seconds, and all compilations."""
        self.switch("")
        compiled = [step for step in self._steps if step.kind == "compile"]
        phases = {name: moment._asdict() for name, moment in self._phases.items()}
        return {
            "phases": phases,
            "programs": programs_of(self._steps),
            "compilations": len(compiled),
            "compilations_from_cache": sum(step.cached for step in compiled),
            "seconds": sum(phase["wall"] for phase in phases.values()),
        }

    def finish(self) -> None:
        """Print the tables, and write them into the run's folder, if it has come to be."""
        found = self.report()
        print("\n".join(table_of(found)), flush=True)
        if self.folder is not None and self.folder.is_dir():
            text = json.dumps(found, indent=1) + "\n"
            new_file(self.folder / FILE).write_text(text, encoding="utf-8")

    def _now(self) -> Moment:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT
        return Moment(time.perf_counter() - self._began, time.process_time(), peak)

    def _on_span(self, event: str, began: float, ended: float, **about: Any) -> None:
        if (kind := STEPS.get(event)) is None:
            return
        cached = kind == "compile" and getattr(self._hits, "hit", False)
        self._hits.hit = False
        name = str(about.get("fun_name", "")).removeprefix("jit(").removesuffix(")")
        self._steps.append(Step(kind, name, threading.get_ident(), began, ended, cached))

    def _on_event(self, event: str, **about: Any) -> None:
        if event == CACHE_HIT:
            self._hits.hit = True


_active: list[PhaseTimes] = []


def start_profile(traces: bool = False) -> PhaseTimes:
    """Profile this process until it exits."""
    profile = PhaseTimes(traces)
    _active.append(profile)
    atexit.register(profile.finish)  # before jax's own, so that it runs after them
    return profile


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Count the time of the block as that of a phase."""
    before = [(profile, profile.switch(name)) for profile in _active]
    try:
        yield
    finally:
        for profile, earlier in before:
            profile.switch(earlier)


def profile_to(folder: Path) -> None:
    """Let an active profile be written into a run's folder; what no phase names is its `rest`."""
    for profile in _active:
        profile.folder = folder
        profile.switch("rest")


@contextlib.contextmanager
def jax_trace(folder: Path) -> Iterator[None]:
    """Write a `jax.profiler` trace of the block's first seconds, if a profile asks for one."""
    if not any(profile.traces for profile in _active):
        yield
        return
    import jax.profiler

    once = threading.Lock()

    def stop() -> None:
        if once.acquire(blocking=False):
            jax.profiler.stop_trace()

    jax.profiler.start_trace(str(folder / "profile"))
    timer = threading.Timer(TRACE_SECONDS, stop)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        stop()


def programs_of(steps: list[Step]) -> list[dict[str, Any]]:
    """Seconds by program, the longest first; a trace within another belongs to the outer one."""
    found: dict[str, dict[str, Any]] = {}
    for step in sorted(steps, key=lambda step: (step.thread, step.began, -step.ended)):
        inside = any(
            other.kind == step.kind == "trace"
            and other.thread == step.thread
            and other.began <= step.began
            and step.ended <= other.ended
            and other is not step
            for other in steps
        )
        if inside:
            continue
        row = found.setdefault(
            step.program,
            {"program": step.program, "compilations": 0, "from_cache": 0}
            | dict.fromkeys(STEPS.values(), 0.0),
        )
        row[step.kind] += step.ended - step.began
        row["compilations"] += step.kind == "compile"
        row["from_cache"] += step.cached
    rows = [row for row in found.values() if row["compilations"]]
    return sorted(rows, key=lambda row: -sum(row[kind] for kind in STEPS.values()))


def table_of(found: dict[str, Any], most: int = 8) -> list[str]:
    """The phases and the `most` longest programs, as lines for a terminal."""
    lines = ["", f"{'phase':14}{'seconds':>9}{'of cores':>10}{'peak MiB':>10}"]
    for name, of in found["phases"].items():
        lines.append(f"{name:14}{of['wall']:9.2f}{of['cores']:10.2f}{of['peak']:10,.0f}")
    lines.append(f"{'in all':14}{found['seconds']:9.2f}")
    lines.append("")
    lines.append(
        f"{'program':24}{'compiled':>9}{'cached':>8}{'trace':>8}{'lower':>8}{'compile':>9}"
    )
    rows = found["programs"]
    rest = rows[most:]
    if rest:
        kinds = ("compilations", "from_cache", *STEPS.values())
        added = {kind: sum(row[kind] for row in rest) for kind in kinds}
        rows = [*rows[:most], {"program": counted(len(rest), "other"), **added}]
    for row in rows:
        seconds = f"{row['trace']:8.2f}{row['lower']:8.2f}{row['compile']:9.2f}"
        lines.append(
            f"{row['program'][:24]:24}{row['compilations']:9}{row['from_cache']:8}{seconds}"
        )
    cached = found["compilations_from_cache"]
    lines.append(f"{found['compilations']} compilations, {cached} of them from the cache on disk")
    return lines


def process_age() -> float:
    """Seconds since the kernel started this process; 0 where it cannot be asked."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    clock = time.clock_gettime(time.CLOCK_BOOTTIME)
    return clock - int(fields[19]) / os.sysconf("SC_CLK_TCK")
