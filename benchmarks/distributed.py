"""One seed on two processes: `python -m benchmarks.distributed [--hidden 64] [--turns 3]`.

Two shards in two processes of one device each (`--distributed`, over gloo), beside one shard of the
same work in one process of one core; in turn. PPO on CartPole-v1 with 64 envs of 128 steps, 4
epochs of 4 minibatches, so 16 gradients that the processes exchange in an update; the seconds are
those that a run's summary has for training. Stopped, it continues.

* `two`: a core for each process;
* `free`: two cores for both;
* `batch`: as `two`, for a version whose processes do not set SCHED_BATCH as they join: no thread
  that wakes takes a core from one that runs. Gloo's thread for received data waits for a lock by
  asking again and again, and may do so on the core of the thread that has it.

Beside them the processor's seconds, of the programs and of the kernel, from the start of a process
to its end.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, Results
from benchmarks.shards import WORK

PLACEMENTS = {  # processes, a core for each, SCHED_BATCH
    "one": (1, True, False),
    "two": (2, True, False),
    "free": (2, False, False),
    "batch": (2, True, True),
}
QUIET = {
    "sinks.mlflow.enabled": "false",
    "sinks.tensorboard": "false",
    "sinks.jsonl": "false",
    "sinks.console": "false",
    "convergence.enabled": "false",
    "evaluation.episodes": 2,
    "evaluation.final_episodes": 2,
    "checkpoints.interval_seconds": 3600,
    "replays.ends": "false",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", default="64", help="widths of both hidden layers")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--updates", type=int, default=120)
    parser.add_argument("--out", type=Path, default=FOLDER / "distributed.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = WORK | {"turns": args.turns, "updates": args.updates, "placements": PLACEMENTS}
    results = Results(args.out, work, args.again)
    for width in map(int, args.hidden.split(",")):
        row = results.measure(partial(measured, width, args.turns, args.updates), hidden=width)
        for name in PLACEMENTS:
            user, system = row["core_seconds"][name]
            print(
                f"hidden {width}, {name}: {row['update_ms'][name]:.1f} ms an update,"
                f" {row['over_one'][name]:.2f} times the steps/s of one; {user:.1f} s of the"
                f" programs, {system:.1f} of the kernel",
                flush=True,
            )
    results.save()


def measured(width: int, turns: int, updates: int) -> dict:
    """Seconds of training by each placement, in turn."""
    found = [
        {name: seconds(width, updates, *placement) for name, placement in PLACEMENTS.items()}
        for _ in range(turns)
    ]
    of = lambda name, i: [turn[name][i] for turn in found]  # noqa: E731
    return {
        "seconds": {name: of(name, 0) for name in PLACEMENTS},
        "update_ms": {name: 1e3 * median(of(name, 0)) / updates for name in PLACEMENTS},
        "over_one": {
            name: median(turn["one"][0] / turn[name][0] for turn in found) for name in PLACEMENTS
        },
        "core_seconds": {name: [median(of(name, i)) for i in (1, 2)] for name in PLACEMENTS},
    }


def seconds(
    width: int, updates: int, number: int, core_each: bool, batch: bool
) -> tuple[float, float, float]:
    """Of training, in so many processes with a shard each, and of all their cores: of the programs
    and of the kernel."""
    settings = QUIET | WORK | {
        "shards": number,
        "algo.network.hidden": f"[{width},{width}]",
        "env_steps": updates * WORK["algo.num_envs"] * WORK["algo.rollout_length"],
        "evaluation.period": updates // 4,
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "elsinore.cli", "train", "CartPole-v1", "--name", "run"]
        command += ["--runs-dir", folder]
        command += [word for name, x in settings.items() for word in ("--set", f"{name}={x}")]
        running, cores = [], sorted(os.sched_getaffinity(0))[:number]
        for rank, core in enumerate(cores):
            joins = ["--distributed", f"{address},{number},{rank}"] if number > 1 else []
            running.append(
                subprocess.Popen(
                    command + joins,
                    env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=partial(placed, {core} if core_each else set(cores), batch),
                )
            )
        if any([process.wait() for process in running]):
            raise SystemExit("a process failed")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads((Path(folder) / "run" / "summary.json").read_text())
    of_cores = (after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)
    return summary["train_seconds"], *of_cores


def placed(cores: set[int], batch: bool) -> None:
    """This process, on these cores."""
    os.sched_setaffinity(0, cores)
    if batch:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    main()
