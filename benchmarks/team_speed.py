"""PPO of a team of JaxMARL's, ours and JaxMARL's own IPPO in turn, on the same work.

    python -m benchmarks.team_speed --jaxmarl DIR [--rounds 3] [--seeds 1,4] [--again]
    python -m benchmarks.team_speed --jaxmarl DIR --learning

The work is `TEAM` of `benchmarks/peers/work.py`, JaxMARL's settings; DIR is a checkout of
FLAIROx/JaxMARL. Training only: no evaluation on either side. Env steps are those of all agents.
Each measurement is a process of its own with a cold compile cache. Needs the extra `jaxmarl`. With
`--learning` it prints the returns of 8 seeds of JaxMARL's IPPO, VDN and PQN after the steps of
`LEARNING`, which `benchmarks/cases.py` cites. A stopped measurement is continued.
"""

import argparse
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.work import TEAM
from benchmarks.record import FOLDER, Results
from benchmarks.rounds import alternate
from benchmarks.run import HERE, run
from elsinore.runs.statistics import ci95, iqm

STEPS = 600_000  # a seed
# env steps of a seed, of which there are 8; JaxMARL's PQN has ours, of its own 30,000,000
LEARNING = {"ippo": 6_000_000, "vdn": 30_000_000, "pqn": 1_800_000}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jaxmarl", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", default="1,4")
    parser.add_argument("--learning", action="store_true")
    parser.add_argument("--out", type=Path, default=FOLDER / "team_speed.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    results = Results(args.out, asdict(TEAM) | {"env_steps": STEPS}, args.again)
    if args.learning:
        for algo, steps in LEARNING.items():
            theirs = partial(jaxmarl, args.jaxmarl, algo, seeds=8, env_steps=steps, repeats=1)
            row = results.measure(theirs, work=f"learning, {algo}")
            protocol = "sampled" if algo == "ippo" else "greedy"
            low, high = ci95(row[protocol])
            print(f"JaxMARL's {algo}, {protocol}: {iqm(row[protocol]):.2f} [{low:.2f}, {high:.2f}]")
        return
    asked = {f"team, {n}": n for n in map(int, args.seeds.split(","))}

    def measured(side: str, name: str) -> dict:
        if side == "elsinore":
            return ours(seeds=asked[name], env_steps=STEPS, repeats=3)
        return jaxmarl(args.jaxmarl, "ippo", seeds=asked[name], env_steps=STEPS, repeats=3)

    alternate(results, asked, args.rounds, measured, peer="jaxmarl")


def ours(**options: int) -> dict:
    command = [sys.executable, "-m", "benchmarks.work", "--work", "jaxmarl_ppo"]
    return run([*command, *flags(options)])


def jaxmarl(source: Path, algo: str, **options: int) -> dict:
    script = str(HERE / "peers" / f"jaxmarl_{algo}.py")
    command = [str(python_of(environment("jaxmarl"))), script, "--source", str(source.resolve())]
    return run([*command, *flags(options)])


def flags(options: dict[str, int]) -> list[str]:
    return [
        x for name, value in options.items() for x in (f"--{name.replace('_', '-')}", f"{value}")
    ]


if __name__ == "__main__":
    main()
