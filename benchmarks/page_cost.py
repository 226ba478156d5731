"""What the live page costs the training that it shows.

    python -m benchmarks.page_cost [--rounds 3] [--seeds 1,2] [--again]

Two runs of Hamlet-base6, each a process of its own: one alone and without replays, the other with
replays, a page, and somebody who looks at it: a real browser at the curves, one at the agent, or
twenty connections of which one takes nothing. They are paused and resumed by turns, ten seconds
each, so that what else the machine does falls on both; a ratio is of two turns that stand beside
each other. Turns begin when the first replay has been recorded and is drawn: what that takes of the
server once, to load and to compile, is told apart in seconds of a core. With `--pinned` the runs
have the first core to themselves, and all who look the second: what is left is what the training
pays beside the time that a browser takes of the machine. Needs Linux, a Chromium and playwright.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.lookers import agent, crowd, curves
from benchmarks.processes import usage
from benchmarks.record import FOLDER, Results
from elsinore.runs.control import ask
from elsinore.runs.store.store import Store

LOOKERS = {"curves": curves, "agent": agent, "crowd": crowd}
SECONDS, PAIRS = 10.0, 6  # a turn; turns of each run
SETTINGS = {
    "convergence.enabled": False,
    "env_steps": 10**9,
    "evaluation.period": 10,
    "sinks.console": False,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
}
KINDS = (
    ("server", "elsinore.cli watch"),
    ("training", "elsinore.cli train"),
    ("browser, rendering", "--type=renderer"),
    ("browser, the rest", "/chromium/"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument(
        "--pinned", action="store_true", help="runs on one core, all who look on another"
    )
    parser.add_argument("--out", type=Path, default=FOLDER / "page_cost.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {"world": "Hamlet-base6", "algo": "ppo", "turn_seconds": SECONDS, "pairs": PAIRS}
    results = Results(args.out, work, args.again)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing is left running
    if args.pinned:
        os.sched_setaffinity(0, {1})
    for round_ in range(args.rounds):
        for seeds in map(int, args.seeds.split(",")):
            for who in LOOKERS:
                measure = partial(measured, who, seeds, args.pinned)
                row = results.measure(
                    measure, who=who, seeds=seeds, pinned=args.pinned, round=round_
                )
                print(described(row), flush=True)
    results.save(ratios=ratios(results.rows))
    print(json.dumps(results.data["ratios"], indent=1))


def described(row: dict[str, Any]) -> str:
    shares = ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in row["cores"].items())
    memory = f"{row['server_bytes'][0] / 2**20:.0f} to {row['server_bytes'][-1] / 2**20:.0f} MiB"
    return f"{case(row)}: {median(row['ratios']):.3f}; of a core: {shares}; server {memory}"


def case(row: dict[str, Any]) -> str:
    return f"{row['who']}, {row['seeds']} seeds" + (", pinned" if row["pinned"] else "")


def ratios(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of each case the median of all pairs of turns, and the middle half of them."""
    cases: dict[str, list[float]] = {}
    for row in rows:
        cases.setdefault(case(row), []).extend(row["ratios"])
    found = {}
    for name, each in cases.items():
        each.sort()
        quarters = each[len(each) // 4], each[-1 - len(each) // 4]
        found[name] = {"median": median(each), "pairs": len(each), "quarters": quarters}
    return found


def measured(who: str, seeds: int, pinned: bool) -> dict[str, Any]:
    """Turns of a run that is looked at and of one that is not."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        alone = stack.enter_context(trained(Path(place) / "alone", seeds, pinned, replays=False))
        watched = stack.enter_context(trained(Path(place) / "watched", seeds, pinned, replays=True))
        seen = stack.enter_context(looked_at(who, watched))
        speeds, cores, memory = {alone: [], watched: []}, [], []
        for pair in range(PAIRS):
            for run in (alone, watched) if pair % 2 else (watched, alone):
                speed, taken, server = turn(run)
                speeds[run].append(speed)
                if run is watched:
                    cores.append(taken)
                    memory.append(server)
        replays = replays_of(watched)
    both = zip(speeds[alone], speeds[watched], strict=True)
    return {
        "alone": speeds[alone],
        "watched": speeds[watched],
        "ratios": [on / off for off, on in both],
        "cores": {kind: median(one[kind] for one in cores) for kind, _ in KINDS},
        "server_bytes": memory,
        "replays": replays,
        **seen,
    }


@contextlib.contextmanager
def trained(run: Path, seeds: int, pinned: bool, replays: bool) -> Iterator[Path]:
    """A run that has learnt a little and recorded its first replay, where it does, and is
    paused."""
    settings = [f"--set={name}={json.dumps(value)}" for name, value in SETTINGS.items()]
    place = ["taskset", "--cpu-list", "0"] if pinned else []
    quiet = [] if replays else ["--set=replays.share=0"]
    command = [
        *place,
        sys.executable,
        "-m",
        "elsinore.cli",
        "train",
        "Hamlet-base6",
        f"--seeds={seeds}",
        *settings,
        *quiet,
        f"--name={run.name}",
        f"--runs-dir={run.parent}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not (replays_of(run) if replays else chunks(run)):
                if process.poll() is not None:
                    raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
                time.sleep(0.1)
            pause(run)
            yield run
        finally:
            process.terminate()


@contextlib.contextmanager
def looked_at(who: str, run: Path) -> Iterator[dict[str, Any]]:
    """Somebody looks at a run; what they saw is in the table in the end."""
    seen: dict[str, Any] = {}
    over = threading.Event()
    command = [sys.executable, "-m", "elsinore.cli", "watch", str(run), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        url = next(
            found[0]
            for line in iter(server.stdout.readline, "")
            if (found := re.search(r"http://\S+", line))
        )
        looker = threading.Thread(target=LOOKERS[who], args=(url, over.is_set, seen))
        looker.start()
        try:
            while not seen.pop("began", False):
                time.sleep(0.1)
            seen["server_seconds_at_first"] = usage(KINDS)["server"].cpu_seconds
            yield seen
        finally:
            over.set()
            looker.join()
            server.terminate()


def turn(run: Path) -> tuple[float, dict[str, float], int]:
    """Train for a while: env steps a second, what each kind of process took of a core, and the
    server's memory."""
    before, began = usage(KINDS), time.time()
    ask(run, "resume")
    time.sleep(SECONDS)
    pause(run)
    after, ended = usage(KINDS), time.time()
    whole = [row for row in chunks(run) if row[2] > began + 1.0]  # the first may have begun before
    seconds = sum(row[3] for row in whole)
    cores = {
        kind: (after[kind].cpu_seconds - before[kind].cpu_seconds) / (ended - began)
        for kind, _ in KINDS
    }
    return sum(row[3] * row[4] for row in whole) / seconds, cores, after["server"].resident_bytes


def pause(run: Path) -> None:
    ask(run, "pause")
    while ask(run) != "paused":
        time.sleep(0.02)


def replays_of(run: Path) -> int:
    return len(list((run / "replays").glob("*.npz")))


def chunks(run: Path) -> list[tuple]:
    """(update, env steps, when it ended, seconds, steps a second) of each that is stored."""
    try:
        store = Store(run / "metrics.sqlite", read_only=True)
    except sqlite3.OperationalError:  # it is not there yet
        return []
    try:
        return store.chunks()
    except sqlite3.OperationalError:
        return []
    finally:
        store.close()


if __name__ == "__main__":
    main()
