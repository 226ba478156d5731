"""Train the policies that come with the package, and write them to src/elsinore/runs/policies.

    python -m benchmarks.policies [CartPole-v1/ppo ...]

Each is the best seed's policy at its run's best checkpoint, with the mean return of 1,000 fresh
greedy episodes. A checkpoint keeps what acting needs; the optimiser's moments, replay buffer and
env states are zeros, which take no room.
"""

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

import elsinore
from elsinore.config.parse import as_dict
from elsinore.config.yaml_files import yaml_text
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.manifest import config_digest
from elsinore.runs.checkpoints.restored import best_replica
from elsinore.runs.run import Run
from elsinore.runs.shipped import FOLDER, HOLDS, PREFIX, shipped_policies
from elsinore.training.layout import layout_for
from elsinore.types import RunState

EPISODES = 1_000
PAGE = Path(__file__).parent.parent / "docs" / "policies.md"
BEGIN, END = "<!-- policies -->", "<!-- end of policies -->"
QUIET = {"sinks.mlflow.enabled": False, "sinks.console": False, "sinks.tensorboard": False}
# By ENV/ALGO: seeds to choose from, and settings beside the preset's.
POLICIES: dict[str, tuple[int, dict[str, Any]]] = {
    "CartPole-v1/ppo": (4, {}),
    "Acrobot-v1/ppo": (2, {}),
    "MountainCar-v0/dqn": (2, {}),
    "Pendulum-v1/ppo": (4, {}),
    "Pendulum-v1/sac": (2, {}),
    "Hamlet-L0_0/ppo": (1, {}),
    "Cache-api/ppo": (1, {"env_steps": 600_000}),
}
# What acting and choosing a seed read, by its path in the state; all else is zeroed.
KEPT = (
    ".train.key",
    ".train.update",
    ".train.learner.params",
    ".train.stats",
    ".train.hyper",
    ".train.env_params",
    ".convergence.history",
    ".curriculum",
)


def main(names: list[str]) -> None:
    for name in names or POLICIES:
        env, algo = name.rsplit("/", 1)
        seeds, settings = POLICIES[name]
        with tempfile.TemporaryDirectory() as top:
            run = elsinore.train(
                env, algo, seeds=seeds, runs_dir=top, name="run", overrides=QUIET | settings
            )
            score = write(run, FOLDER / name)
        print(f"{name}: {score['mean']:.1f} +- {score['std']:.1f}, {size(FOLDER / name):,} bytes")
    print(f"all: {size(FOLDER):,} bytes")
    write_page()


def write_page() -> None:
    """The table of docs/policies.md."""
    lines = ["| policy | mean return | standard deviation | lowest | highest | env steps | kB |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, score in shipped_policies().items():
        numbers = " | ".join(f"{score[key]:,.1f}" for key in ("mean", "std", "min", "max"))
        kilobytes = size(FOLDER / name.removeprefix(PREFIX)) / 1_000
        lines += [f"| `{name}` | {numbers} | {score['env_steps']:,} | {kilobytes:.0f} |"]
    head, rest = PAGE.read_text().split(f"{BEGIN}\n")
    tail = rest.split(END)[1]
    table = "\n".join(lines)
    PAGE.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}")


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write(run: Run, folder: Path) -> dict[str, Any]:
    """Write the best seed's policy of a run, as a run of that seed alone; returns its score."""
    found = run.checkpoint()
    state = run.state(found.name)
    mode = run.experiment.population.mode
    i = best_replica(found, state.convergence.history, run.summary, mode)
    experiment = replace(run.experiment, seed=run.experiment.seed + i, seeds=1)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml_text(as_dict(experiment)))
    manifest = found.manifest | {
        "holds": HOLDS,
        "config": as_dict(experiment),
        "config_sha256": config_digest(experiment),
        "layout": layout_for(1, experiment.layout).described(),
    }
    saved = {"format", "time", "arrays", "files", "digest"}
    manifest = {name: x for name, x in manifest.items() if name not in saved}
    checkpoints.save(folder / "checkpoints", "best", policy_alone(state, i), manifest)
    returns = elsinore.load(folder).evaluate(EPISODES)[0]
    score = {
        "mean": round(float(returns.mean()), 3),
        "std": round(float(returns.std()), 3),
        "min": round(float(returns.min()), 3),
        "max": round(float(returns.max()), 3),
        "episodes": EPISODES,
        "env_steps": int(found.update) * run.plan.steps_per_update,
        "seed": experiment.seed,
    }
    (folder / "score.json").write_text(json.dumps(score, indent=1) + "\n")
    return score


def policy_alone(state: RunState, i: int) -> RunState:
    """Replica `i` of a state, [1, ...], with zeros for all that a policy does not need."""

    def kept(path: Any, x: np.ndarray) -> np.ndarray:
        one = np.asarray(x)[i : i + 1]
        return one if jax.tree_util.keystr(path).startswith(KEPT) else np.zeros_like(one)

    return jax.tree_util.tree_map_with_path(kept, state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="ENV/ALGO")
    main(parser.parse_args().names)
