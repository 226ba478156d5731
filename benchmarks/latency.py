"""How long an exported policy takes to decide: one observation, or 256 at once, by jax and by
MLflow.

    python -m benchmarks.latency [--calls 2000] [--again]

The policy is PPO's for Cache-api, trained for an instant: how well it decides does not change how
long it takes. A decision begins with numpy arrays and ends with them. The training's own policy
stands beside the two forms, and what a call costs that decides nothing: the dispatch of a compiled
function that is handed the same observations.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

import elsinore
from benchmarks.record import FOLDER, Results
from elsinore.runs.export.latency import DECIDERS, about_of, latency_of, observations_like

BATCHES = (1, 256)
SETTINGS = {
    "env_steps": 4_096,
    "algo.num_envs": 8,
    "evaluation.episodes": 2,
    "evaluation.final_episodes": 2,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "sinks.console": False,
}


def deciders(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ways to decide by name, of one policy; and what it takes."""
    run = elsinore.train("Cache-api", "ppo", overrides=SETTINGS, runs_dir=folder, name="run")
    ways: dict[str, Any] = {"training": run.policy()}
    for form, decider in DECIDERS.items():
        ways[form] = decider(run.export(form))
    nothing = jax.jit(lambda obs: obs[:, 0])
    ways["dispatch alone"] = lambda obs: np.asarray(nothing(obs))
    return ways, about_of(run.path / "export" / "jax")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--again", action="store_true", help="measure anew")
    args = parser.parse_args()
    results = Results(
        FOLDER / "latency.json",
        {"world": "Cache-api", "algo": "ppo", "calls": args.calls},
        args.again,
    )
    with tempfile.TemporaryDirectory() as folder:
        ways, about = deciders(Path(folder))
        for size in BATCHES:
            obs = observations_like(about, size)
            for name, decide in ways.items():
                found = results.measure(
                    partial(_row, decide, obs, args.calls), way=name, batch=size
                )
                print(
                    f"{name:15} batch {size:3}: median {found['median_us']:8.1f} us, "
                    f"99 % within {found['p99_us']:8.1f} us",
                    flush=True,
                )


def _row(decide: Any, obs: Any, calls: int) -> dict[str, float]:
    found = latency_of(decide, obs, calls)
    return {"median_us": 1e6 * found.median, "p99_us": 1e6 * found.p99}


if __name__ == "__main__":
    main()
