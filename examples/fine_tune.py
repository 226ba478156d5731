"""Fine-tuning: CartPole-v1 from scratch, and from a policy of a CartPole with a short, heavy pole
and strong gravity, which is quicker to learn.

    python examples/fine_tune.py                 # about two minutes on two cores
    python examples/fine_tune.py --seeds 2 --env-steps 20000 --runs-dir /tmp/runs

Three runs of several seeds: the source, CartPole-v1 begun with the source's best checkpoint (each
seed from its own), and CartPole-v1 from scratch, with the same settings. It prints
the env steps until each seed's evaluations reach the target return, and draws both curves.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import elsinore

SOURCE = {"env_params.gravity": 20.0, "env_params.length": 0.25, "env_params.masspole": 0.5}
SETTINGS = {
    "evaluation.period": 4,  # updates of 256 env steps
    "convergence.target": 475.0,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "sinks.console": False,
}


def trained(runs_dir: Path, name: str, args: argparse.Namespace, **how) -> elsinore.Run:
    settings = SETTINGS | {"env_steps": args.env_steps} | how.pop("overrides", {})
    return elsinore.train(
        "CartPole-v1", overrides=settings, seeds=args.seeds, runs_dir=runs_dir, name=name, **how
    )


def steps_to_target(run: elsinore.Run) -> list[int | None]:
    """Env steps of each seed until it converged; None for one that did not."""
    return run.summary["converged_at_env_steps"]


def curve(run: elsinore.Run) -> tuple[np.ndarray, np.ndarray]:
    """Env steps, and evaluation returns [evaluation, seed]; a seed that has converged keeps its
    last."""
    rows = run.metrics.query("name == 'eval/return'")
    table = rows.pivot(index="env_steps", columns="seed", values="value").ffill()
    return table.index.to_numpy(), table.to_numpy()


def draw(path: Path, runs: dict[str, elsinore.Run]) -> None:
    """Write the evaluation returns of both runs: mean over seeds, and the range of seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for (label, run), colour in zip(runs.items(), ("#0072B2", "#D55E00"), strict=True):
        steps, returns = curve(run)
        axes.plot(steps, returns.mean(axis=1), color=colour, label=label)
        axes.fill_between(steps, returns.min(axis=1), returns.max(axis=1), color=colour, alpha=0.15)
    axes.set(xlabel="env steps of a seed", ylabel="evaluation return")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--env-steps", type=int, default=100_000, help="the longest of each run")
    parser.add_argument("--runs-dir", type=Path, help="folder of the runs (default: removed)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="file of the figure")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        runs_dir = args.runs_dir or Path(folder)
        source = trained(runs_dir, "source", args, overrides=SOURCE)
        runs = {
            "from scratch": trained(runs_dir, "scratch", args),
            "fine-tuned": trained(runs_dir, "tuned", args, from_run=source),
        }
        for label, run in {"source": source, **runs}.items():
            steps = steps_to_target(run)
            reached = [x for x in steps if x is not None]
            median = f"{np.median(reached):,.0f}" if reached else "-"
            first = curve(run)[1][0].mean()
            print(
                f"{label:12} {len(reached)} of {len(steps)} seeds reach 475, in {median} env steps"
                f" (median); {first:.0f} at the first evaluation"
            )
            print(f"{'':12} {json.dumps(steps)}")
        if args.figure:
            draw(args.figure, runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
