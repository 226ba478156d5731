"""From Enter to a result: `python -m benchmarks.first_minute --purejaxrl DIR`.

Ours is `make train` after set-up: four seeds with all sinks, evaluations, checkpoints, curves and
an exported policy, to the end of the process. Beside it stands PureJaxRL's `train` at the same
settings, of one seed, in a process of its own that ends with the result. Each is a fresh process,
once with an empty compile cache and once with what that left; the two alternate.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.peers.environments import environment, python_of
from benchmarks.record import FOLDER, Results

ROOT = Path(__file__).resolve().parents[1]
PATH = FOLDER / "first_minute.json"
CONFIG = ROOT / "configs" / "cartpole.yaml"
ENV_STEPS = 100_000  # of a seed, as in the config
SAME = {  # the preset ppo/CartPole-v1 in PureJaxRL's words
    "NUM_ENVS": 8,
    "NUM_STEPS": 32,
    "NUM_MINIBATCHES": 1,
    "UPDATE_EPOCHS": 20,
    "LR": 1e-3,
    "GAMMA": 0.98,
    "GAE_LAMBDA": 0.8,
    "ENT_COEF": 0.0,
}
SIZE = 1024  # of the matrices whose product says how fast the machine is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--purejaxrl", type=Path, required=True, metavar="DIR", help="a checkout")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    commands = {
        "elsinore": [
            *(sys.executable, "-m", "elsinore.cli", "train", "CartPole-v1"),
            *("--config", str(CONFIG)),
        ],
        "purejaxrl": [
            *(
                str(python_of(environment("purejaxrl"))),
                str(ROOT / "benchmarks" / "peers" / "purejaxrl.py"),
            ),
            *("--source", str(args.purejaxrl.resolve()), "--env-steps", str(ENV_STEPS)),
            *("--repeats", "1", "--settings", json.dumps(SAME)),
        ],
    }
    results = Results(PATH, {"settings": SAME, "env_steps": ENV_STEPS})
    for turn in range(args.rounds):
        gflops = matmul_gflops()
        caches = {name: tempfile.TemporaryDirectory() for name in commands}
        for cache in ("cold", "warm"):
            for name, command in commands.items():
                row = results.measure(
                    partial(timed, command, caches[name].name),
                    round=turn,
                    cache=cache,
                    trainer=name,
                )
                row.setdefault("matmul_gflops", gflops)
                print(f"{turn} {cache} {name}: {row['seconds']:.1f} s", flush=True)
        for folder in caches.values():
            folder.cleanup()
    results.save(ratios={cache: ratio(results.rows, cache) for cache in ("cold", "warm")})


def timed(command: list[str], cache: str) -> dict[str, Any]:
    """The seconds of a process in an empty folder, of the wall and of the processor."""
    settings = {"JAX_COMPILATION_CACHE_DIR": cache, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with tempfile.TemporaryDirectory() as folder:
        began, cpu = time.perf_counter(), os.times()
        subprocess.run(
            command, cwd=folder, env=os.environ | settings, check=True, stdout=subprocess.DEVNULL
        )
        seconds, after = time.perf_counter() - began, os.times()
    spent = after.children_user + after.children_system
    return {
        "seconds": seconds,
        "cpu_seconds": spent - cpu.children_user - cpu.children_system,
    }


def ratio(rows: list[dict[str, Any]], cache: str) -> dict[str, Any]:
    """Ours through PureJaxRL's, by round, and the median."""
    of = {(row["round"], row["trainer"]): row for row in rows if row["cache"] == cache}
    rounds = sorted({turn for turn, _ in of})
    found = [of[i, "elsinore"]["seconds"] / of[i, "purejaxrl"]["seconds"] for i in rounds]
    return {"median": median(found), "rounds": found}


def matmul_gflops() -> float:
    """Of numpy's product of two float32 matrices, at best."""
    a = np.ones((SIZE, SIZE), np.float32)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        np.matmul(a, a)
        seconds.append(time.perf_counter() - began)
    return 2 * SIZE**3 / min(seconds) / 1e9


if __name__ == "__main__":
    main()
