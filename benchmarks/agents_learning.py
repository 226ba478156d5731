"""What 1, 10 and 100 agents of one Hamlet learn from the same number of steps in all, shared and
independent.

    python -m benchmarks.agents_learning [--seeds 8] [--steps 3200000] [--full] [--again]

All agents of an env live in the same town, and a place that one uses is taken (`occupancy`). Each
case trains PPO for `STEPS` agent-steps a seed, which N agents divide among them; then each agent is
evaluated greedily. With `--full` also a case in which each of 10 independent agents has the steps
that the single one has. A finished case is not measured again.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.few_episodes import QUIET
from benchmarks.record import FOLDER, Results

STEPS, ENVS, EPISODES = 3_200_000, 64, 16
CASES = (  # agents, sharing, share of STEPS for each agent
    (1, "shared", "divided"),
    (10, "shared", "divided"),
    (10, "independent", "divided"),
    (10, "independent", "full"),
    (100, "shared", "divided"),
    (100, "independent", "divided"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=STEPS, help="agent-steps of a seed")
    parser.add_argument("--full", action="store_true", help="as many for each of 10 agents, too")
    parser.add_argument("--out", type=Path, default=FOLDER / "agents_learning.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    args = parser.parse_args()
    work = {"seeds": args.seeds, "steps": args.steps, "envs": ENVS, "episodes": EPISODES}
    results = Results(args.out, work, args.again)
    for agents, sharing, steps in CASES:
        if steps == "full" and not args.full:
            continue
        measure = partial(measured, agents, sharing, steps, args.seeds, args.steps)
        row = results.measure(measure, agents=agents, sharing=sharing, steps=steps)
        print(line(row), flush=True)
    results.save()


def measured(agents: int, sharing: str, steps: str, seeds: int, in_all: int) -> dict[str, Any]:
    """Steps lived greedily, [seed][agent], at the end."""
    import elsinore
    from benchmarks.cases import ANYWHERE

    overrides = QUIET | {
        **ANYWHERE,
        "agents.number": agents,
        "agents.sharing": sharing,
        "env_kwargs.occupancy": True,
        "algo.num_envs": max(1, ENVS // agents),
        "algo.gae_lambda": 0.95,
        "env_steps": in_all * (agents if steps == "full" else 1),
        "evaluation.episodes": EPISODES,
        "evaluation.final_episodes": EPISODES,
    }
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        run = elsinore.train(
            "Hamlet-classic4", "ppo", overrides=overrides, seeds=seeds, runs_dir=folder
        )
        seconds, rows = time.time() - began, run.metrics
    lived = rows[rows.name == "eval/length"]
    last = lived[lived["update"] == lived["update"].max()]
    if agents > 1:
        last = last[last.agent != ""]
    found = [last[last.seed == seed].value.tolist() for seed in range(seeds)]
    return {"lived": found, "env_steps": run.plan.env_steps, "seconds": seconds}


def line(row: dict[str, Any]) -> str:
    """The row in Markdown."""
    lived = np.array(row["lived"])
    means = lived.mean(axis=1)
    return (
        f"| {row['agents']} | {row['sharing']} | {row['env_steps'] // row['agents']:,} |"
        f" {means.mean():.0f} ({means.min():.0f}) | {np.median(lived):.0f} | {lived.min():.0f} |"
        f" {row['seconds']:.0f} |"
    )


if __name__ == "__main__":
    main()
