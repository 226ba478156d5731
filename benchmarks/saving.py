"""How long the saves of a large state hold the training: `python -m benchmarks.saving`.

    python -m benchmarks.saving [--mib 94,1024] [--saves 9] [--again]

DQN on CartPole-v1, with a replay buffer that makes the state of one seed that large, saves after
each chunk. A save copies the state to host memory while training waits, and writes it behind.
Recorded are the milliseconds of each of these waits, of a copy of as many bytes in memory that the
process holds already (the bound), and the seconds from a save to the checkpoint on the disk. A wait
is all that the checkpoint manager does between two chunks; with `best` each state is also the best
so far, and is held in memory for it. Stopped, it continues.
"""

import argparse
import json
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.record import FOLDER, Results
from benchmarks.run import run
from benchmarks.work import TRAINING_ONLY

MIB = 2**20
UPDATES = 16  # of a chunk
SETTINGS = TRAINING_ONLY | {
    "algo.num_envs": 16,
    "algo.rollout_length": 64,
    "algo.gradient_steps": 16,
    "checkpoints.interval_seconds": 0,
    "checkpoints.best": 0,
    "replays.ends": False,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "sinks.console": False,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", default="94,1024", help="sizes of the state")
    parser.add_argument("--saves", type=int, default=9)
    parser.add_argument("--out", type=Path, default=FOLDER / "saving.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--best", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        return print(json.dumps(measured(args.case, args.saves, args.best)))
    results = Results(args.out, {"saves": args.saves}, args.again)
    for mib, best in product(map(int, args.mib.split(",")), (0, 1)):
        command = [sys.executable, "-m", "benchmarks.saving", "--case", str(mib)]
        command += ["--saves", str(args.saves), "--best", str(best)]
        row = results.measure(lambda: run(command), mib=mib, best=best)  # noqa: B023
        print(
            f"{row['state_bytes'] / MIB:,.0f} MiB, best {best}: training is held for"
            f" {median(row['held_ms']):.0f} ms (at most {max(row['held_ms']):.0f}); a copy takes"
            f" {median(row['copy_ms']):.0f} ms; written after {median(row['written_s']):.2f} s",
            flush=True,
        )
    results.save()


def measured(mib: int, saves: int, best: int) -> dict[str, Any]:
    """The waits of so many saves in a run whose state has about so many MiB."""
    import elsinore
    from elsinore.runs.checkpoints import directory as checkpoints
    from elsinore.runs.checkpoints.manager import CheckpointManager

    held, written = [], []
    state_bytes = 0
    before, wait = CheckpointManager._save_due, CheckpointManager.wait

    def timed(manager: CheckpointManager, saves_latest: bool) -> None:
        began = time.perf_counter()
        before(manager, saves_latest)
        held.append(1e3 * (time.perf_counter() - began))
        wait(manager)  # so that each save of the run is measured, and none is left out
        written.append(time.perf_counter() - began)

    improves = (float(i) for i in range(10**6))
    if best:
        CheckpointManager.consider = lambda manager, update, score: True
    offer = CheckpointManager.offer

    def offer_better(manager: CheckpointManager, update: int, score: float, state: Any) -> None:
        offer(manager, update, next(improves), state)

    CheckpointManager.offer = offer_better

    keep = checkpoints.save

    def save(folder: Path, kind: str, state: Any, manifest: dict) -> Path:
        nonlocal state_bytes
        state_bytes = bytes_of(state)
        return keep(folder, kind, state, manifest)

    CheckpointManager._save_due, checkpoints.save = timed, save
    steps = SETTINGS["algo.num_envs"] * SETTINGS["algo.rollout_length"]
    settings = SETTINGS | {
        "checkpoints.best": best,
        "algo.buffer_size": mib * MIB // 41,
        "env_steps": (saves + 2) * UPDATES * steps,
    }
    with tempfile.TemporaryDirectory() as runs:
        elsinore.train(
            "CartPole-v1",
            "dqn",
            overrides=settings | {"evaluation.period": UPDATES},
            runs_dir=runs,
            name="run",
        )
    assert len(held) >= saves, f"{len(held)} of {saves} saves"
    return {
        "state_bytes": state_bytes,
        "held_ms": held[:saves],
        "copy_ms": copies(state_bytes, saves),
        "written_s": written[:saves],
    }


def bytes_of(tree: Any) -> int:
    import jax

    return sum(x.nbytes for x in jax.tree.leaves(tree) if hasattr(x, "nbytes"))


def copies(size: int, number: int) -> list[float]:
    """Milliseconds of copies of so many bytes into memory that was touched before."""
    import numpy as np

    source, target = np.ones(size // 8), np.zeros(size // 8)
    found = []
    for _ in range(number):
        began = time.perf_counter()
        target[:] = source
        found.append(1e3 * (time.perf_counter() - began))
    return found


if __name__ == "__main__":
    main()
