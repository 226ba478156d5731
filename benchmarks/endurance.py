"""A long run with every sink, sampled each minute: `python -m benchmarks.endurance --hours 2`.

A process trains PPO on CartPole with `--rate` chunks a second, of two updates each; this one reads
from outside what that process holds and how large its files are. After each sample the file of
results has the slopes over all samples but those of the first ten minutes, in which the process
still imports, compiles and fills its caches.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.record import FOLDER, Results

SETTINGS = {
    "algo.num_envs": 4,
    "algo.rollout_length": 16,
    "algo.num_epochs": 1,
    "algo.network.hidden": [16],
    "evaluation.period": 2,  # updates of a chunk
    "evaluation.episodes": 4,
    "evaluation.max_steps": 20,
    "rows_per_chunk": 2,
    "convergence.enabled": False,
}
STEPS_A_CHUNK = 128
WARM_UP = 10.0  # minutes
FILES = ("metrics.sqlite", "metrics.sqlite-wal", "metrics.jsonl", "tensorboard", "logs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=25.0, help="chunks a second, at most")
    parser.add_argument("--out", type=Path, default=FOLDER / "endurance.json")
    parser.add_argument("--train-in", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train_in:
        train(args.train_in, args.rate, args.hours)
    else:
        watch(args)


def train(runs_dir: Path, rate: float, hours: float) -> None:
    """Train at a steady rate of chunks; runs in the process that is watched."""
    import elsinore
    from elsinore.runs.loop import Publisher

    publish, due = Publisher.publish, [0.0]

    def paced(self, chunk) -> None:
        publish(self, chunk)
        due[0] = max(due[0] + 1 / rate, time.monotonic() - 1.0)
        time.sleep(max(due[0] - time.monotonic(), 0.0))

    Publisher.publish = paced
    steps = int(hours * 3600 * rate) * STEPS_A_CHUNK
    elsinore.train(
        "CartPole-v1", overrides=SETTINGS, env_steps=steps, name="long", runs_dir=runs_dir
    )


def watch(args: argparse.Namespace) -> None:
    """Start the training and sample it each minute until the time is up or it ends."""
    results = Results(args.out, {"rate": args.rate, "settings": SETTINGS}, again=True)
    with tempfile.TemporaryDirectory(prefix="endurance-") as place:
        own = ["--train-in", place, "--rate", str(args.rate), "--hours", str(args.hours)]
        with (Path(place) / "output.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.endurance", *own], stdout=output, stderr=output
            )
        began = time.monotonic()
        try:
            for minute in range(1, round(60 * args.hours) + 1):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(began + 60 * minute - time.monotonic(), 0.0))
                if process.poll() is not None:
                    break
                results.rows.append({"minute": minute} | sample(process.pid, Path(place)))
                results.save(per_hour=slopes(results.rows))
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(120)
        results.save(exit_code=code, last_words=last_words(Path(place)))
    print(json.dumps({k: v for k, v in results.data.items() if k != "rows"}, indent=1))


def sample(pid: int, place: Path) -> dict[str, float]:
    """What a process holds, and the sizes of its run's files, in bytes."""
    import elsinore.runs.store.store

    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    run = place / "long"
    sizes = {name: size(run / name) for name in FILES} | {"mlflow.db": size(place / "mlflow.db")}
    chunks = 0
    with contextlib.suppress(Exception):  # it may not be made yet
        store = elsinore.runs.store.store.Store(run / "metrics.sqlite", read_only=True)
        (chunks,) = store._db.execute("SELECT COUNT(*) FROM chunks").fetchone()
        store.close()
    return {
        "chunks": chunks,
        "resident_bytes": 1024 * int(status["VmRSS"].split()[0]),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": int(status["Threads"]),
        **sizes,
    }


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is none."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def slopes(rows: list[dict[str, float]]) -> dict[str, float]:
    """Growth an hour of each number after the warm-up, by least squares."""
    later = [row for row in rows if row["minute"] > WARM_UP]
    if len(later) < 3:
        return {}
    hours = np.array([row["minute"] / 60 for row in later])
    names = [name for name in later[0] if name != "minute"]
    return {
        name: round(float(np.polyfit(hours, [row[name] for row in later], 1)[0]), 2)
        for name in names
    }


def last_words(place: Path) -> str:
    return (place / "output.txt").read_text()[-500:]


if __name__ == "__main__":
    main()
