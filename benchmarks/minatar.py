"""Steps a second of PPO and DQN on MinAtar's Breakout, ours and rejax's in turn, on the same work.

    python -m benchmarks.minatar [--rounds 3] [--seeds 4] [--again]

The work is `P2` and `Q2` of `benchmarks/peers/work.py`. rejax's networks are layers over a vector,
so ours are, too. Training only: no evaluation on either side. Each measurement is a process of its
own with a cold compile cache. Stopped, it continues where it was.
"""

import argparse
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.work import P2, Q2
from benchmarks.record import FOLDER, Results
from benchmarks.rounds import alternate
from benchmarks.run import HERE, run

STEPS = {"ppo": 200_000, "dqn": 30_000}  # a seed
SCRIPTS = {"ppo": "rejax.py", "dqn": "rejax_dqn.py"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=FOLDER / "minatar.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {"ppo": asdict(P2), "dqn": asdict(Q2), "env_steps": STEPS, "seeds": args.seeds}
    results = Results(args.out, work, args.again)
    alternate(results, STEPS, args.rounds, partial(measured, seeds=args.seeds), peer="rejax")


def measured(peer: str, algo: str, seeds: int) -> dict:
    """One process's JSON line."""
    options = ["--seeds", str(seeds), "--repeats", "3", "--env-steps", str(STEPS[algo])]
    if peer == "elsinore":
        name = f"breakout_{algo}"
        return run([sys.executable, "-m", "benchmarks.work", "--work", name, *options])
    script = str(HERE / "peers" / SCRIPTS[algo])
    return run([str(python_of(environment("rejax"))), script, "--work", "breakout", *options])


if __name__ == "__main__":
    main()
