"""Steps a second of PPO in environments of other libraries, ours and rejax's in turn, on the same
work.

    python -m benchmarks.suites_speed [--rounds 3] [--seeds 1,4] [--again]

The work is `NAVIX` and `BRAX` of `benchmarks/peers/work.py`; both sides step the same version of
the library. Training only: no evaluation on either side. Each measurement is a process of its own
with a cold compile cache. Needs the extras `navix` and `brax`. Stopped, it continues where it was.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.work import BRAX, NAVIX
from benchmarks.record import FOLDER, Results
from benchmarks.rounds import alternate
from benchmarks.run import HERE, run

WORKS = {"navix": NAVIX, "brax": BRAX}
STEPS = {"navix": 200_000, "brax": 100_000}  # a seed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", default="1,4")
    parser.add_argument("--out", type=Path, default=FOLDER / "suites_speed.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {name: asdict(each) for name, each in WORKS.items()} | {"env_steps": STEPS}
    results = Results(args.out, work, args.again)
    asked = {f"{name}, {n}": (name, n) for name in WORKS for n in map(int, args.seeds.split(","))}
    alternate(
        results,
        asked,
        args.rounds,
        lambda peer, name: measured(peer, *asked[name]),
        peer="rejax",
    )


def measured(peer: str, name: str, seeds: int) -> dict:
    """One process's JSON line."""
    options = ["--seeds", str(seeds), "--repeats", "3", "--env-steps", str(STEPS[name])]
    if peer == "elsinore":
        return run([sys.executable, "-m", "benchmarks.work", "--work", f"{name}_ppo", *options])
    script = str(HERE / "peers" / "rejax.py")
    return run([str(python_of(environment("rejax_suites"))), script, "--work", name, *options])


if __name__ == "__main__":
    main()
