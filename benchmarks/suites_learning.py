"""Returns of rejax's PPO, with the settings that rejax tuned, in environments of other libraries.

    python -m benchmarks.suites_learning [--envs navix/Navix-DoorKey-8x8-v0,brax/reacher] [--again]

Eight seeds each, with a process a case. `benchmarks/cases.py` cites them beside ours, which
`benchmarks.learning` measures at the same budget. A stopped measurement is continued.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.rejax_tuned import TUNED
from benchmarks.record import FOLDER, Results
from benchmarks.run import HERE, run
from elsinore.runs.statistics import ci95, iqm

SEEDS = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", default=",".join(TUNED))
    parser.add_argument("--out", type=Path, default=FOLDER / "suites_learning.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"peer": "rejax 0.1.3", "seeds": SEEDS}, args.again)
    for env in args.envs.split(","):
        row = results.measure(partial(measured, env), env=env)
        low, high = ci95(row["S"])
        print(f"{env}: rejax {iqm(row['S']):.2f} [{low:.2f}, {high:.2f}]", flush=True)


def measured(env: str) -> dict:
    script = str(HERE / "peers" / "rejax_tuned.py")
    python = str(python_of(environment("rejax_suites")))
    return run([python, script, "--env", env, "--seeds", str(SEEDS)], timeout=3 * 3600)


if __name__ == "__main__":
    main()
