"""Returns that other trainers reach in environments of other libraries.

    python -m benchmarks.suites_learning [--envs navix/Navix-DoorKey-8x8-v0,brax/reacher] [--again]
    python -m benchmarks.suites_learning --craftax-baselines DIR

Rejax's PPO with the settings that rejax tuned; or the PPO of a checkout of
MichaelTMatthews/Craftax_Baselines. Eight seeds each, with a process a case. `benchmarks/cases.py`
cites them beside ours, which `benchmarks.learning` measures at the same budget. A stopped
measurement is continued.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks.peers.craftax_baselines import ENV
from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.rejax_tuned import TUNED
from benchmarks.record import FOLDER, Results
from benchmarks.run import HERE, run
from elsinore.runs.statistics import ci95, iqm

SEEDS = 8
REJAX, CRAFTAX = "rejax 0.1.3", "Craftax_Baselines 7ce36fa"
NUM_ENVS = 64  # of the PPO of Craftax_Baselines, as in our preset


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envs", default=",".join(TUNED))
    parser.add_argument(
        "--craftax-baselines", type=Path, metavar="DIR", help=f"a checkout of {CRAFTAX}"
    )
    parser.add_argument("--out", type=Path, default=FOLDER / "suites_learning.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, {"seeds": SEEDS}, args.again)
    if args.craftax_baselines:
        options = ["--source", str(args.craftax_baselines.resolve()), "--num-envs", str(NUM_ENVS)]
        name = "craftax_baselines"
        cases = {ENV: (CRAFTAX, partial(measured, name, name, options))}
    else:
        cases = {
            env: (REJAX, partial(measured, "rejax_tuned", "rejax_suites", ["--env", env]))
            for env in args.envs.split(",")
        }
    for env, (peer, measure) in cases.items():
        row = results.measure(measure, env=env, peer=peer)
        low, high = ci95(row["S"])
        print(f"{env}: {peer} {iqm(row['S']):.2f} [{low:.2f}, {high:.2f}]", flush=True)


def measured(script: str, needs: str, options: list[str]) -> dict:
    """The row of a script of `peers`, run in the environment `needs`."""
    python, path = python_of(environment(needs)), HERE / "peers" / f"{script}.py"
    return run([str(python), str(path), *options, "--seeds", str(SEEDS)], timeout=3 * 3600)


if __name__ == "__main__":
    main()
