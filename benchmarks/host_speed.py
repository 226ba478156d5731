"""Steps a second of PPO in environments that Python steps, ours and Stable-Baselines3's in turn.

    python -m benchmarks.host_speed [--works cartpole,cheetah] [--rounds 3] [--again]

The work is `HOST_WORKS` of `benchmarks/peers/work.py`, one seed. Both step Gymnasium's own
environments one after another; training only. `cheetah` needs MuJoCo on both sides. Each
measurement is a process of its own, and the first of its repeats, which compiles ours, is left out.
Stopped, it goes on where it was.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.work import HOST_WORKS
from benchmarks.record import FOLDER, Results
from benchmarks.rounds import alternate
from benchmarks.run import HERE, run

STEPS = {"cartpole": 50_000, "cheetah": 20_480}  # of each repeat


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--works", default="cartpole,cheetah")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="of each repeat, in place of the work's own")
    parser.add_argument("--out", type=Path, default=FOLDER / "host_speed.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    steps = dict.fromkeys(STEPS, args.steps) if args.steps else STEPS
    works = args.works.split(",")
    work = {name: asdict(HOST_WORKS[name]) | {"env_steps": steps[name]} for name in works}
    results = Results(args.out, work, args.again)
    alternate(
        results,
        works,
        args.rounds,
        lambda peer, name: measured(peer, name, steps[name]),
        peer="sb3",
        skip=1,
    )


def measured(peer: str, name: str, steps: int) -> dict:
    """One process's JSON line."""
    options = ["--seeds", "1", "--repeats", "5", "--env-steps", str(steps)]
    if peer == "elsinore":
        return run([sys.executable, "-m", "benchmarks.work", "--work", f"gym_{name}", *options])
    script = str(HERE / "peers" / "sb3.py")
    return run([str(python_of(environment("sb3"))), script, "--work", name, *options])


if __name__ == "__main__":
    main()
