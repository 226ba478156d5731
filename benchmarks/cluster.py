"""What tasks on a Ray cluster cost: `python -m benchmarks.cluster [--turns 3] [--again]`.

* `tasks`: 200 tasks that do nothing, on two workers that have done some before; milliseconds each.
* `cells`: a comparison of 8 runs of PPO on CartPole-v1, a core for each, on a cluster of one core
  (to which all of Ray is pinned) and of two, in turn; seconds from call to report.
* `whole`, `killed`: one longer run that saves every ten seconds, left alone, and with its worker
  killed half-way, so that another one continues; seconds from call to report.

Ray starts in a process of its own for each measurement, and runs as it does for
`elsinore compare --on ray`. Stopped, it continues; more `--turns` are added to the file.
"""

import argparse
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
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import FOLDER, Results

TASKS, ROUNDS, CELLS = 200, 5, 8
WORK = {"env_steps": 1_000_000, "algo.num_envs": 8, "algo.rollout_length": 64}
LONG = WORK | {"env_steps": 4_000_000, "checkpoints.interval_seconds": 10}
QUIET = {"sinks.mlflow.enabled": False, "sinks.console": False, "convergence.enabled": False}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=FOLDER / "cluster.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--only", choices=list(MEASURES), help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, default=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        return print(json.dumps(MEASURES[args.only](args.cores)))
    work = WORK | {"cells": CELLS, "tasks": TASKS, "rounds": ROUNDS, "long": LONG}
    results = Results(args.out, work, args.again)
    row = results.measure(partial(alone, "tasks", 2), what="tasks")
    print(f"{TASKS} tasks: {median(row['ms']):.2f} ms each", flush=True)
    for turn in range(args.turns):
        for cores in (1, 2):
            row = results.measure(
                partial(alone, "cells", cores), what="cells", turn=turn, cores=cores
            )
            print(f"{CELLS} cells on {cores}: {row['seconds']:.1f} s", flush=True)
        for what in ("whole", "killed"):
            row = results.measure(partial(alone, what, 2), what=what, turn=turn)
            print(f"a long run, {what}: {row['seconds']:.1f} s", flush=True)
    ratios, lost = ratios_of(results.rows), lost_of(results.rows)
    print(f"two workers have {median(ratios):.2f} times the speed of one")
    print(f"a killed worker costs {median(lost):.1f} s")
    results.save(two_over_one=median(ratios), seconds_lost=median(lost))


def ratios_of(rows: list[dict]) -> list[float]:
    """Seconds with one core over seconds with two, of each turn."""
    found = {(row["turn"], row["cores"]): row["seconds"] for row in rows if row["what"] == "cells"}
    return [found[turn, 1] / found[turn, 2] for turn, cores in found if cores == 1]


def lost_of(rows: list[dict]) -> list[float]:
    """Seconds that a killed worker cost, of each turn."""
    found = {(row["what"], row.get("turn")): row["seconds"] for row in rows if "seconds" in row}
    return [found["killed", turn] - found["whole", turn] for what, turn in found if what == "whole"]


def alone(what: str, cores: int) -> dict:
    """A measurement in a process of its own, with all that it starts on so many cores."""
    few = sorted(os.sched_getaffinity(0))[:cores]
    command = [sys.executable, "-m", "benchmarks.cluster", "--only", what, "--cores", str(cores)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, few),
    )
    return json.loads(done.stdout.splitlines()[-1])


def tasks(cores: int) -> dict:
    """Milliseconds of a task in each round; the first, in which the workers start, is left out."""
    from elsinore.analysis.cluster import OnCluster
    from elsinore.analysis.cluster_task import Task
    from elsinore.runs.signals import Stop

    begin(cores)
    todo = [Task(f"task {i}", "do_nothing", ([i],), 0, 1) for i in range(TASKS)]
    found = []
    with OnCluster("ray", cpus=1).joined() as cluster:
        for _ in range(1 + ROUNDS):
            began = time.perf_counter()
            done = [result for _, (result,) in cluster.each(todo, Stop(), lambda line: None)]
            found.append(1e3 * (time.perf_counter() - began) / TASKS)
            assert sorted(done) == list(range(TASKS))
    return {"ms": found[1:]}


def cells(cores: int) -> dict:
    """Seconds of a comparison."""
    begin(cores)
    gammas = [0.9 + 0.01 * i for i in range(CELLS)]
    algos = {f"g{i}": {"algo": "ppo", "algo.gamma": g} for i, g in enumerate(gammas)}
    with tempfile.TemporaryDirectory() as runs:
        return {"seconds": compared(runs, algos, WORK, lambda line: None)}


def compared(runs: str, algos: Any, work: dict, progress: Callable[[str], None]) -> float:
    """Seconds of a comparison in `runs`/cells, a core for each run."""
    import elsinore

    began = time.perf_counter()
    elsinore.compare(
        "CartPole-v1",
        algos,
        seeds=1,
        overrides=work | QUIET,
        runs_dir=runs,
        name="cells",
        on="ray",
        cpus_per_task=1,
        progress=progress,
    )
    return time.perf_counter() - began


def long_run(cores: int, kill: bool) -> dict:
    """Seconds of a comparison of one long run, whose worker is killed half-way if `kill`."""
    begin(cores)
    killers: list[threading.Thread] = []
    with tempfile.TemporaryDirectory() as runs:
        folder = Path(runs) / "cells" / "CartPole-v1" / "ppo"

        def seen(line: str) -> None:
            print(line, file=sys.stderr, flush=True)
            begun = re.search(r"begins on .* \((\d+)\)", line)
            if kill and begun and not killers:
                killers.append(threading.Thread(target=kill_half_way, args=(folder, int(begun[1]))))
                killers[0].start()

        seconds = compared(runs, "ppo", LONG, seen)
        resumed = updates_in(folder, "SELECT update_ FROM events WHERE kind = 'resume'")
    assert len(resumed) == kill
    return {"seconds": seconds, "resumed": resumed}


def kill_half_way(folder: Path, worker: int) -> None:
    """Kill a worker once its run has half of its chunks."""
    import elsinore

    while not (folder / "metrics.sqlite").exists():
        time.sleep(0.1)
    half = elsinore.load(folder).plan.schedule.num_updates // 2
    while not updates_in(folder, f"SELECT update_ FROM chunks WHERE update_ >= {half}"):
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)


def updates_in(folder: Path, query: str) -> list[int]:
    """The updates that a query of a run's metrics.sqlite finds."""
    with closing(sqlite3.connect(folder / "metrics.sqlite")) as store:
        return [update for (update,) in store.execute(query)]


def begin(cores: int) -> None:
    """A cluster of so many cores on this machine."""
    import ray  # pyright: ignore[reportMissingImports]

    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False)


MEASURES = {
    "tasks": tasks,
    "cells": cells,
    "whole": partial(long_run, kill=False),
    "killed": partial(long_run, kill=True),
}

if __name__ == "__main__":
    main()
