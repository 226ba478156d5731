"""What agents of one world cost: PPO on Hamlet-base6 with 1, 9, 10 and 100 of them, and both ways
to learn.

    python -m benchmarks.agents [--agents 1,9,10,100] [--again]

Each case in a process of its own: steps a second of all agents together, and the bytes of a seed's
state.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.record import FOLDER, Results
from benchmarks.run import run

WORLDS, LENGTH, CHUNKS = 8, 64, 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", default="1,9,10,100")
    parser.add_argument("--sharing", default="auto,independent,shared")
    parser.add_argument("--out", type=Path, default=FOLDER / "agents.json")
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    parser.add_argument("--case", action="store_true", help="measure one case in this process")
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measured(int(args.agents), args.sharing)))
        return
    results = Results(args.out, {"worlds": WORLDS, "rollout_length": LENGTH}, args.again)
    for agents in args.agents.split(","):
        for sharing in args.sharing.split(",") if agents != "1" else ["auto"]:
            options = ["--case", "--agents", agents, "--sharing", sharing]
            measure = lambda: run([sys.executable, "-m", "benchmarks.agents", *options])  # noqa: B023, E731
            row = results.measure(measure, agents=int(agents), sharing=sharing)
            print(
                f"{row['agents']:3} agents, {row['sharing']:11} ({row['learners']} learners):"
                f" {median(row['steps_per_second']) / 1e3:,.0f} thousand steps/s,"
                f" {row['state_bytes'] / 2**20:.2f} MiB, compiled in"
                f" {row['compile_seconds']:.1f} s",
                flush=True,
            )
    results.save()


def measured(agents: int, sharing: str) -> dict:
    """Five chunks of ten updates, after one that is not counted."""
    import jax
    import jax.numpy as jnp

    from elsinore.config.load import load_experiment
    from elsinore.config.plan import plan_for
    from elsinore.training.layout import layout_for
    from elsinore.training.replicas import init_seeds, over_seeds

    overrides = {
        "agents.number": agents,
        "agents.sharing": sharing,
        "algo.num_envs": WORLDS,
        "algo.rollout_length": LENGTH,
        "env_steps": agents * WORLDS * LENGTH * 10 * (CHUNKS + 1),
        "evaluation.period": 10,
        "evaluation.episodes": 1,
        "env_kwargs.observation": "one_hot",
        "curriculum": None,
        "convergence.enabled": False,
    }
    plan = plan_for(load_experiment("Hamlet-base6", "ppo", overrides=overrides))
    layout = layout_for(1)
    state = init_seeds(plan.program, layout, 0)
    began = time.perf_counter()
    chunk = over_seeds(plan.program.chunk, layout, donate=True).lower(state, jnp.int32(1)).compile()
    compile_seconds = time.perf_counter() - began
    rates = []
    for _ in range(CHUNKS + 1):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(chunk(state, jnp.int32(10)))
        rates.append(10 * plan.steps_per_update / (time.perf_counter() - began))
    return {
        "learners": agents if plan.has_learners_of_their_own else 1,
        "steps_per_second": rates[1:],
        "state_bytes": plan.memory.of_states,
        "compile_seconds": compile_seconds,
    }


if __name__ == "__main__":
    main()
