"""Steps a second of PPO and DQN on MinAtar's Breakout, ours and rejax's in turn, on the same work.

    python -m benchmarks.minatar [--rounds 3] [--seeds 4] [--again]

The work is `P2` and `Q2` of `benchmarks/peers/work.py`. rejax's networks are layers over a vector,
so ours are, too. Training only: no evaluation on either side. Each measurement is a process of its
own with a cold compile cache. Stopped, it goes on where it was.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.work import P2, Q2
from benchmarks.record import FOLDER, Results
from benchmarks.run import HERE, described, peak, run

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
    alternate(results, STEPS, args.rounds, partial(measured, seeds=args.seeds))


def alternate(
    results: Results, works: Iterable[str], rounds: int, measured: Callable[[str, str], dict]
) -> None:
    """Measure each work with ours and rejax in turn, in each round; save the ratios."""
    for round_ in range(rounds):
        for name in works:
            for peer in ("elsinore", "rejax"):
                measure = partial(measured, peer, name)
                row = results.measure(measure, round=round_, algo=name, peer=peer)
                print(f"round {round_}  {name}  {peer:10} {described(row)}", flush=True)
        results.measure(peak, round=round_, algo="matmul")
    results.save(ratios={name: ratios(results.rows, name) for name in works})
    print(results.data["ratios"])


def measured(peer: str, algo: str, seeds: int) -> dict:
    """One process's JSON line."""
    options = ["--seeds", str(seeds), "--repeats", "3", "--env-steps", str(STEPS[algo])]
    if peer == "elsinore":
        name = f"breakout_{algo}"
        return run([sys.executable, "-m", "benchmarks.work", "--work", name, *options])
    script = str(HERE / "peers" / SCRIPTS[algo])
    return run([str(python_of(environment("rejax"))), script, "--work", "breakout", *options])


def ratios(rows: list[dict], algo: str) -> dict:
    """Our steps a second over rejax's: the median over rounds of the ratio within a round."""
    found = []
    for round_ in sorted({row["round"] for row in rows}):
        here = {
            row["peer"]: median(row["steps_per_second"])
            for row in rows
            if row["round"] == round_ and row["algo"] == algo
        }
        if len(here) == 2:
            found.append(here["elsinore"] / here["rejax"])
    return {"speed": median(found), "speed_by_round": found}


if __name__ == "__main__":
    main()
