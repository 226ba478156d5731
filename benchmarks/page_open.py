"""How long the page takes to open a run of ten million numbers.

    python -m benchmarks.page_open [--rows 10000000] [--again]

The run is made up: eight seeds, twelve metrics at every update, an evaluation at every hundredth.
Measured from a server that has just begun, by a browser that has just been started: until the list
is there, until the run's first curve is drawn once its link is pressed, of that the time in which
the server answers, and until all has been read.
"""

import argparse
import math
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.lookers import CHROMIUM
from benchmarks.record import FOLDER, Results
from elsinore.runs.store.store import Store

SEEDS, PERIOD, STEPS = 8, 100, 512  # of seeds; updates to an evaluation; env steps an update
NAMES = (
    "episode/return",
    "episode/length",
    "episode/count",
    "loss/total",
    "loss/policy",
    "loss/value",
    "policy/entropy",
    "policy/kl",
    "policy/clip_fraction",
    "value/explained_variance",
    "value/mean",
    "optimiser/gradient_norm",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--out", type=Path, default=FOLDER / "page_open.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(
        args.out, {"rows": args.rows, "seeds": SEEDS, "metrics": len(NAMES) + 1}, args.again
    )
    with tempfile.TemporaryDirectory() as place:
        made = make(Path(place) / "large", args.rows)
        print(
            f"{made:,} rows,"
            f" {(Path(place) / 'large' / 'metrics.sqlite').stat().st_size / 2**20:,.0f} MiB",
            flush=True,
        )
        for number in range(args.tries):
            row = results.measure(partial(opened, Path(place)), number=number)
            print(", ".join(f"{name} {row[name]:.2f} s" for name in SECONDS), flush=True)
    results.save()


def make(run: Path, rows: int) -> int:
    """A run's folder with about so many numbers in it; returns how many."""
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("env: CartPole-v1\nalgo:\n  name: ppo\n")
    updates = rows // (SEEDS * len(NAMES)) // PERIOD * PERIOD
    store = Store(run / "metrics.sqlite")
    store.describe(
        env="CartPole-v1",
        algo="ppo",
        seeds=SEEDS,
        first_seed=0,
        num_updates=updates,
        steps_per_update=STEPS,
    )
    store.add_event(0, "begin", "from update 0")
    store.close()
    with closing(sqlite3.connect(run / "metrics.sqlite")) as db, db:
        db.executemany("INSERT INTO metrics VALUES (?, ?, '', ?, ?)", numbers(updates))
        chunks = (
            (at, at * STEPS, 1.7e9 + at, 0.5, 1e5) for at in range(PERIOD, updates + 1, PERIOD)
        )
        db.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", chunks)
        return db.execute("SELECT count(*) FROM metrics").fetchone()[0]


def numbers(updates: int):
    """(update, seed, name, value), in the order in which a run logs them."""
    for update in range(1, updates + 1):
        logged = NAMES if update % PERIOD else ("eval/return", *NAMES)
        for seed in range(SEEDS):
            for i, name in enumerate(logged):
                yield (
                    update,
                    seed,
                    name,
                    math.sin(1e-4 * update + i) + 0.1 * math.sin(37.0 * update + seed),
                )


def opened(runs: Path) -> dict[str, float]:
    """Seconds, each from when it was asked for."""
    from playwright.sync_api import sync_playwright

    with served(runs) as url, sync_playwright() as started:
        options: dict[str, Any] = {
            "executable_path": CHROMIUM,
            "args": ["--no-sandbox", "--disable-gpu"],
        }
        with started.chromium.launch(**options) as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            began = time.perf_counter()
            page.goto(url)
            link = page.get_by_role("link", name="large")
            link.wait_for()
            listed = time.perf_counter() - began
            began = time.perf_counter()
            link.click()
            page.locator('[data-metric="episode/return"] canvas').wait_for()
            first_curves = time.perf_counter() - began
            page.get_by_text("A part of the updates is shown").wait_for(
                state="detached", timeout=120_000
            )
            page.get_by_text("A line is the mean of several updates").wait_for(timeout=120_000)
            whole = time.perf_counter() - began
            answers = page.evaluate(ANSWERS)
    return dict(zip(SECONDS, (listed, first_curves, answers[0], whole), strict=True))


SECONDS = ("list", "first_curves", "answer", "whole_run")
ANSWERS = """performance.getEntriesByType("resource")
    .filter((one) => one.name.includes("api/curves"))
    .map((one) => (one.responseEnd - one.startTime) / 1000)"""


@contextmanager
def served(runs: Path):
    """`elsinore watch` in a process of its own: its address."""
    command = [sys.executable, "-m", "elsinore.cli", "watch", str(runs), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(
                found[0]
                for line in iter(process.stdout.readline, "")
                if (found := re.search(r"http://\S+", line))
            )
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
