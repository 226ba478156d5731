"""Steps a second of PPO in environments on the host, ours and another trainer's in turn.

    python -m benchmarks.host_speed [--works cartpole,cheetah] [--rounds 3] [--again]
    python -m benchmarks.host_speed --cleanrl DIR [--works ...] [--rounds 3] [--again]

The work is `HOST_WORKS` of `benchmarks/peers/work.py`, one seed, training only. Beside
Stable-Baselines3 both step Gymnasium's own environments one after another; `cheetah` needs MuJoCo
on both sides. With `--cleanrl`, a checkout of vwxyzjn/cleanrl, the peer is its PPO, and both step
EnvPool's environments; in `cheetah` both normalise observations and rewards. It needs the extra
`envpool`. Each measurement is a process of its own, and the first of its repeats, which compiles
ours, is left out. A stopped measurement is continued.
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
    parser.add_argument("--cleanrl", type=Path, metavar="DIR", help="its PPO as the peer")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    steps = dict.fromkeys(STEPS, args.steps) if args.steps else STEPS
    works = args.works.split(",")
    work = {name: asdict(HOST_WORKS[name]) | {"env_steps": steps[name]} for name in works}
    peer, library = ("cleanrl", "envpool") if args.cleanrl else ("sb3", "gym")
    out = args.out or FOLDER / ("host_speed_cleanrl.json" if args.cleanrl else "host_speed.json")

    def measured(side: str, name: str) -> dict:
        """One process's JSON line."""
        options = ["--seeds", "1", "--repeats", "5", "--env-steps", str(steps[name])]
        if side == "elsinore":
            ours = ["-m", "benchmarks.work", "--work", f"{library}_{name}"]
            return run([sys.executable, *ours, *options])
        source = ["--source", str(args.cleanrl.resolve())] if args.cleanrl else []
        script = str(HERE / "peers" / f"{peer}.py")
        return run(
            [str(python_of(environment(peer))), "-E", script, "--work", name, *source, *options]
        )

    results = Results(out, work, args.again)
    alternate(results, works, args.rounds, measured, peer=peer, skip=1)


if __name__ == "__main__":
    main()
