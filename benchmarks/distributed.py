"""One seed on two processes: `python -m benchmarks.distributed [--hidden 64] [--turns 3]`.

Two shards in two processes of one core and one device each (`--distributed`, over gloo), beside one
shard of the same work in one process of one core; in turn. PPO on CartPole-v1 with 64 envs of 128
steps, 4 epochs of 4 minibatches; the seconds are those that a run's summary has for training.
Stopped, it goes on.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, Results
from benchmarks.shards import WORK

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
    work = WORK | {"turns": args.turns, "updates": args.updates}
    results = Results(args.out, work, args.again)
    for width in map(int, args.hidden.split(",")):
        row = results.measure(partial(measured, width, args.turns, args.updates), hidden=width)
        print(
            f"hidden {width}: {row['update_ms']['one']:.1f} ms an update in one process,"
            f" {row['update_ms']['two']:.1f} in two: {row['two_over_one']:.2f} times the steps/s",
            flush=True,
        )
    results.save()


def measured(width: int, turns: int, updates: int) -> dict:
    """Seconds of training in one process and in two, in turn."""
    found: dict[str, list[float]] = {"one": [], "two": []}
    for _ in range(turns):
        for name, number in (("one", 1), ("two", 2)):
            found[name].append(seconds(width, updates, number))
    pairs = zip(found["one"], found["two"], strict=True)
    return {
        "seconds": found,
        "update_ms": {name: 1e3 * median(each) / updates for name, each in found.items()},
        "two_over_one": median(one / two for one, two in pairs),
    }


def seconds(width: int, updates: int, number: int) -> float:
    """Of training, in so many processes of a core each, with a shard each."""
    settings = QUIET | WORK | {
        "shards": number,
        "algo.network.hidden": f"[{width},{width}]",
        "env_steps": updates * WORK["algo.num_envs"] * WORK["algo.rollout_length"],
        "evaluation.period": updates // 4,
    }  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "elsinore.cli", "train", "CartPole-v1", "--name", "run"]
        command += ["--runs-dir", folder]
        command += [word for name, x in settings.items() for word in ("--set", f"{name}={x}")]
        running = []
        for rank, core in enumerate(sorted(os.sched_getaffinity(0))[:number]):
            joins = ["--distributed", f"{address},{number},{rank}"] if number > 1 else []
            running.append(
                subprocess.Popen(
                    command + joins,
                    env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=partial(os.sched_setaffinity, 0, {core}),
                )
            )
        if any([process.wait() for process in running]):
            raise SystemExit("a process failed")
        return json.loads((Path(folder) / "run" / "summary.json").read_text())["train_seconds"]


if __name__ == "__main__":
    main()
