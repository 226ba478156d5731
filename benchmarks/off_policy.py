"""Gradient steps a second of DQN, SAC or TD3, ours and the peers' in turn, on the same work.

    python -m benchmarks.off_policy [--work dqn|sac|td3] [--rounds 2] [--seeds 1,4]
    [--peers rejax,sbx] [--env-steps N] [--again]

The work is `Q1` (DQN) or `S1` (SAC, TD3) of `benchmarks/peers/work.py`. Each measurement is a
process of its own with a cold compile cache; a round runs everyone once, and ratios are taken
within rounds. Stopped, it continues where it was.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.peers.environments import environment, python_of
from benchmarks.peers.work import Q1, S1
from benchmarks.record import FOLDER, Results
from benchmarks.run import HERE, run

RATE = "gradient_steps_per_second"
# by an order of magnitude: one round, one repeat and a few steps are enough to say so
SLOW = ("sbx",)


class Work(NamedTuple):
    """The settings of a comparison, its env steps a seed, and those of a slow peer's seeds."""

    settings: Any
    env_steps: int
    slow_steps: int
    script: str  # of a peer, after its name
    options: tuple[str, ...]
    out: str


WORKS = {
    "dqn": Work(Q1, 100_000, 20_000, "dqn", (), "dqn_cartpole"),
    "sac": Work(S1, 5_000, 5_000, "continuous", ("--work", "sac"), "sac_pendulum"),
    "td3": Work(S1, 5_000, 5_000, "continuous", ("--work", "td3"), "td3_pendulum"),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", choices=WORKS, default="dqn")
    parser.add_argument("--peers", default="rejax,sbx")
    parser.add_argument("--seeds", default="1,4")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--env-steps", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = WORKS[args.work]
    env_steps, out = args.env_steps or work.env_steps, args.out or FOLDER / f"{work.out}.json"
    peers = [peer for peer in args.peers.split(",") if peer]
    results = Results(out, asdict(work.settings) | {"env_steps": env_steps}, args.again)
    for round_ in range(args.rounds):
        for seeds in map(int, args.seeds.split(",")):
            for peer in ("elsinore", *peers):
                if not (peer in SLOW and round_):
                    measure = lambda: measured(args.work, peer, seeds, env_steps)  # noqa: B023, E731
                    print(
                        described(results.measure(measure, round=round_, seeds=seeds, peer=peer)),
                        flush=True,
                    )
    results.save(ratios=ratios(results.rows))
    for peer, by_seeds in results.data["ratios"].items():
        for seeds, ratio in by_seeds.items():
            print(
                f"elsinore over {peer}, {seeds} seeds: {ratio['speed']:.2f}, compiling"
                f" {ratio['compile']:.2f}"
            )


def measured(name: str, peer: str, seeds: int, env_steps: int) -> dict:
    """One process's JSON line."""
    work = WORKS[name]
    repeats = 1 if peer in SLOW else 3
    options = ["--seeds", str(seeds), "--repeats", str(repeats)]
    if peer == "elsinore":
        return run(
            [
                sys.executable,
                "-m",
                "benchmarks.work",
                "--work",
                name,
                *options,
                "--env-steps",
                str(env_steps),
            ]
        )
    if peer in SLOW:
        options += ["--max-total-steps", str(work.slow_steps)]
    options += work.options
    script = HERE / "peers" / f"{peer}_{work.script}.py"
    return run(
        [str(python_of(environment(peer))), str(script), *options, "--env-steps", str(env_steps)]
    )


def described(row: dict) -> str:
    return (
        f"round {row['round']}  {row['seeds']:2} seeds  {row['peer']:10} {median(row[RATE]):9,.0f}"
        f" gradient steps/s {median(row['steps_per_second']):10,.0f} env steps/s, traced and"
        f" compiled in {compiling(row):.1f} s"
    )


def compiling(row: dict) -> float:
    return (row.get("trace_seconds") or 0.0) + (row["compile_seconds"] or 0.0)


def ratios(rows: list[dict]) -> dict[str, dict[str, dict]]:
    """Ours over each peer's, by number of seeds: median over rounds of the ratio within a round."""
    ours = {(row["round"], row["seeds"]): row for row in rows if row["peer"] == "elsinore"}
    pairs: dict[tuple[str, int], list[tuple[dict, dict]]] = {}
    for row in rows:
        own = ours.get((row["round"], row["seeds"]))
        if own is not None and row is not own:
            pairs.setdefault((row["peer"], row["seeds"]), []).append((own, row))
    found: dict[str, dict[str, dict]] = {}
    for (peer, seeds), both in pairs.items():
        by_round = [median(own[RATE]) / median(row[RATE]) for own, row in both]
        compiled = median(compiling(own) / compiling(row) for own, row in both)
        found.setdefault(peer, {})[str(seeds)] = {
            "speed": median(by_round),
            "speed_by_round": by_round,
            "compile": compiled,
        }
    return found


if __name__ == "__main__":
    main()
