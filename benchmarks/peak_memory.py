"""The most memory that whole commands hold, by phase: `python -m benchmarks.peak_memory`.

Each is `elsinore train --profile` in a process of its own, with an empty compile cache and then
with what that left, so that the difference is the compiler's. A profile's numbers are peaks of
resident memory up to the end of a phase. Budgets are shorter than the presets'; programs and
buffers are the same.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import FOLDER, Results

ROOT = Path(__file__).resolve().parents[1]
PATH = FOLDER / "peak_memory.json"
WORKS: dict[str, list[str]] = {
    "`make train`: PPO on CartPole, 4 seeds": [
        *("CartPole-v1", "--config", str(ROOT / "configs" / "cartpole.yaml"))
    ],
    "PPO on Hamlet-classic4": ["Hamlet-classic4", "--set", "env_steps=100_000"],
    "PPO on Balatro-stage2": ["Balatro-stage2", "--set", "env_steps=50_000"],
    "DQN on CartPole": ["CartPole-v1", "--algo", "dqn", "--set", "env_steps=20_000"],
    "DQN on Cache-api": ["Cache-api", "--algo", "dqn", "--set", "env_steps=20_000"],
    "DQN on MinAtar Breakout": [
        *("Breakout-MinAtar", "--algo", "dqn", "--set", "env_steps=20_000")
    ],
    "SAC on Pendulum": ["Pendulum-v1", "--algo", "sac", "--set", "env_steps=5_000"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(PATH, {"commands": {name: _shown(WORKS[name]) for name in WORKS}}, args.again)
    for name, arguments in WORKS.items():
        with tempfile.TemporaryDirectory() as cache:
            for state in ("cold", "warm"):
                measure = partial(peaks, arguments, cache)
                row = results.measure(measure, command=name, cache=state)
                print(f"{name}, {state}: {max(row['peak_mib'].values()):,.0f} MiB", flush=True)


def peaks(arguments: list[str], cache: str) -> dict[str, Any]:
    """The peaks of one command after each of its phases, in MiB, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "elsinore.cli", "train", *arguments, "--profile"],
            cwd=folder,
            env=os.environ | {"JAX_COMPILATION_CACHE_DIR": cache},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        found = json.loads(next(Path(folder).glob("runs/*/profile.json")).read_text())
    return {
        "peak_mib": {name: phase["peak"] for name, phase in found["phases"].items()},
        "seconds": found["seconds"],
    }


def _shown(arguments: list[str]) -> str:
    """The command without this machine's folders."""
    return " ".join(arguments).replace(f"{ROOT}/", "")


if __name__ == "__main__":
    main()
