"""Fine-tuning: the env steps that a run saves which begins with the policy of another one.

    python examples/fine_tune.py                 # CartPole: about a minute on two cores
    python examples/fine_tune.py --pair hamlet   # from a curriculum to a harder house; minutes
    python examples/fine_tune.py --pair balatro  # from hands alone to a game with a shop
    python examples/fine_tune.py --pair cache    # from one recorded trace to another
    python examples/fine_tune.py --pair cache --trace site.npz --figure site.png
    python examples/fine_tune.py --pair hamlet --from-leave network.head --seeds 2

Three runs of several seeds: the source; the target begun with the source's best checkpoint (each
seed from its own); and the target from scratch, with the same settings and the same budget. It
prints the env steps until the target reaches the return that the run from scratch ends with, and
draws both curves: interquartile means over seeds, with 95 % intervals.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

import elsinore
from elsinore import Run
from elsinore.toolkit import ci95, iqm

FIGURES = (".png", ".svg", ".pdf")  # endings of its file
RESAMPLES = 2_000  # draws of the seeds for an interval
ROOT = Path(__file__).resolve().parents[1]
NASA = ROOT / "tests" / "data" / "cache" / "traces" / "nasa_jul01_10k.npz"
QUIET = {
    "convergence.enabled": False,  # both runs of the target have the whole budget
    "replays.share": 0,
    "sinks.mlflow.enabled": False,
    "sinks.tensorboard": False,
    "sinks.console": False,
}


class Pair(NamedTuple):
    """A target, and a source to begin it from; the settings of each on top of those of both."""

    names: tuple[str, str]
    source: Mapping[str, Any]
    target: Mapping[str, Any]
    both: Mapping[str, Any] = {}
    config: Any = None  # of both: a file, or none


CARTPOLE = Pair(
    names=("CartPole-v1 with a short, heavy pole and strong gravity", "CartPole-v1"),
    source={"env_params.gravity": 20.0, "env_params.length": 0.25, "env_params.masspole": 0.5},
    target={},
    both={"env": "CartPole-v1", "env_steps": 60_000, "evaluation.period": 4},
)
HAMLET = Pair(
    names=(
        "the four-stage curriculum of Hamlet-classic4",
        "Hamlet in winter: higher needs, lower pay",
    ),
    config=ROOT / "configs" / "hamlet" / "curriculum.yaml",
    source={"env_steps": 1_500_000},
    target={
        "env_steps": 1_000_000,
        "env_params.random_start_share": 0.5,
        "curriculum": None,
        "env_kwargs.reward": {"sparse": 1},
        "env_kwargs.profile": {
            "extends": "classic4",
            "name": "winter",
            "meters": [
                {"name": "energy", "drain": 0.6},
                {"name": "hygiene", "drain": 0.35},
                {"name": "satiation", "drain": 0.5},
            ],
            "affordances": [
                {"name": "Job", "effects": {"money": 25, "energy": -15, "hygiene": -10}},
                {"name": "Fridge", "cell": [1, 5]},
            ],
        },
    },
)
CACHE = Pair(
    names=("a synthetic trace, capacity 64", "a web log of NASA, capacity 64"),
    source={"env_kwargs.trace": "zipf", "env_steps": 100_000, "evaluation.period": 20},
    target={"env_kwargs.trace": str(NASA), "env_steps": 24_000, "evaluation.period": 2},
    both={
        "env": "Cache-trace",
        "env_kwargs.capacity": 64,
        "env_kwargs.decide": "sampled",
        "env_params.max_steps_in_episode": 2_048,
        "evaluation.episodes": 8,
        "evaluation.final_episodes": 16,
        "algo.num_envs": 16,
        "algo.rollout_length": 64,
        "algo.num_minibatches": 4,
        "algo.num_epochs": 4,
        "algo.learning_rate": 5e-4,
        "algo.gamma": 0.99,
        "algo.gae_lambda": 0.95,
        "algo.ent_coef": 0.001,
        "algo.normalize_rewards": True,
        "algo.network.custom": "elsinore.worlds.cache.nets:CandidateScorer",
    },
)
BALATRO = Pair(
    names=("hands alone", "one ante with a shop"),
    source={"env": "Balatro-stage0", "env_steps": 90_000, "evaluation.period": 11},
    target={
        "env": "Balatro-stage1",
        "env_steps": 60_000,
        "evaluation.period": 2,
        "imitation": None,  # the preset imitates a rule, and plays up to eight antes
        "curriculum": None,
    },
    both={
        "env_kwargs.play_scores": False,
        "env_params.max_ante": 1,
        "evaluation.episodes": 64,
        "evaluation.final_episodes": 64,
        "algo.num_envs": 64,
        "algo.rollout_length": 32,
        "algo.num_minibatches": 4,
        "algo.num_epochs": 2,
        "algo.learning_rate": 1.5e-3,
        "algo.gamma": 1.0,
        "algo.gae_lambda": 0.5,
        "algo.ent_coef": 0.001,
        "algo.ent_coef_final": 0.0,
        "algo.network.encoder": "elsinore.worlds.balatro.nets:CARDS",
        "algo.network.hidden": [128, 128],
        "algo.network.activation": "relu",
    },
)
PAIRS = {"cartpole": CARTPOLE, "hamlet": HAMLET, "balatro": BALATRO, "cache": CACHE}


def trained(pair: Pair, part: str, name: str, args: argparse.Namespace, **start: Any) -> Run:
    """A run of a pair's source or target."""
    settings = QUIET | dict(pair.both) | dict(getattr(pair, part)) | dict(args.set)
    if args.env_steps:
        settings["env_steps"] = args.env_steps
    if part == "target" and args.trace:
        settings["env_kwargs.trace"] = str(args.trace)
    return elsinore.train(
        settings.pop("env", None),
        config=pair.config,
        overrides=settings,
        seeds=args.seeds,
        runs_dir=args.runs_dir,
        name=name,
        **start,
    )


def curve(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Env steps, and evaluation returns [evaluation, seed]."""
    rows = run.metrics.query("name == 'eval/return'")
    table = rows.pivot(index="env_steps", columns="seed", values="value")
    return table.index.to_numpy(), table.to_numpy()


class Reached(NamedTuple):
    """Env steps of a seed until the interquartile mean over seeds reaches a return; None where it
    does not."""

    steps: float | None
    low: float | None  # of the 95 % interval
    high: float | None

    def __str__(self) -> str:
        steps, low, high = ("never" if x is None else f"{x:,.0f}" for x in self)
        return f"{steps} env steps [{low}, {high}]"


def first_at(score: float, steps: np.ndarray, returns: np.ndarray) -> Reached:
    """The first evaluation at which the interquartile mean over seeds is at least `score`, and its
    interval over draws of the seeds (percentile bootstrap)."""
    drawn = np.random.default_rng(0).integers(0, returns.shape[1], (RESAMPLES, returns.shape[1]))
    everyone = np.arange(returns.shape[1])[None]
    found = []
    for seeds in (everyone, drawn):
        above = iqm(returns[:, seeds]) >= score  # [evaluation, draw]
        found.append(np.where(above.any(axis=0), steps[above.argmax(axis=0)], np.inf))
    (value,), (low, high) = found[0], np.percentile(found[1], [2.5, 97.5], method="nearest")
    return Reached(*(None if math.isinf(x) else float(x) for x in (value, low, high)))


def report(source: Run, runs: dict[str, Run]) -> str:
    """What the runs reached, and what fine-tuning saves, as text."""
    curves = {label: curve(run) for label, run in runs.items()}
    steps, returns = curves["from scratch"]
    score, cost = float(iqm(returns[-1])), source.summary["env_steps"]
    lines = [f"source: {cost:,} env steps a seed, return {at(curve(source)[1][-1])}"]
    for label, (_, returns) in curves.items():
        lines.append(f"{label}: return {at(returns[0])} at first, {at(returns[-1])} at the end")
    alone, from_source = (first_at(score, *found) for found in curves.values())
    lines += [
        f"a return of {score:,.2f}, with which the run from scratch ends at {steps[-1]:,} steps:",
        f"  from scratch first after {alone}",
        f"  fine-tuned first after {from_source}",
    ]
    if from_source.steps is None:
        return "\n".join([*lines, "saves nothing: the fine-tuned run does not reach it"])
    assert alone.steps is not None, "its own last evaluation has that return"
    saved = alone.steps - from_source.steps
    if saved < 0:
        return "\n".join([*lines, f"saves nothing: it takes {-saved:,.0f} env steps a seed more"])
    lines.append(
        f"saves {saved:,.0f} of {alone.steps:,.0f} env steps a seed ({saved / alone.steps:.0%})"
    )
    return "\n".join(lines)


def at(returns: np.ndarray) -> str:
    """The interquartile mean over seeds of an evaluation, and its 95 % interval."""
    interval = ci95(returns)
    between = "" if interval is None else " [{:,.2f}, {:,.2f}]".format(*interval)
    return f"{float(iqm(returns)):,.2f}{between}"


def draw(path: Path, pair: Pair, runs: dict[str, Run]) -> None:
    """Write the evaluation returns of both runs: interquartile means over seeds, and their 95 %
    intervals."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for (label, run), colour in zip(runs.items(), ("#0072B2", "#D55E00"), strict=True):
        steps, returns = curve(run)
        axes.plot(steps, iqm(returns), color=colour, label=label)
        if returns.shape[1] > 1:
            unknown = (np.nan, np.nan)  # where a seed diverged
            low, high = np.array([ci95(x) or unknown for x in returns]).T
            axes.fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
    score = float(iqm(curve(runs["from scratch"])[1][-1]))
    axes.axhline(score, color="#0072B2", linewidth=0.8, linestyle=":")
    axes.set(xlabel="env steps of a seed", ylabel="evaluation return", title=pair.names[1])
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 50k
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=100)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", choices=[*PAIRS], default="cartpole")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--env-steps", type=int, help="of each run, in place of the pair's")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="of the target of `cache`: npz")
    parser.add_argument("--from-leave", action="append", default=[], metavar="PART",
                        help="begin it anew, such as network.head")  # fmt: skip
    parser.add_argument("--set", nargs="*", action="extend", default=[], metavar="NAME=VALUE",
                        help="of each run")  # fmt: skip
    parser.add_argument("--runs-dir", type=Path, help="folder of the runs (default: removed)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="file of the figure")
    args = parser.parse_args(argv)
    if args.trace and args.pair != "cache":
        parser.error(f"--trace is the target's of --pair cache, and not of --pair {args.pair}")
    if args.trace and not args.trace.is_file():
        parser.error(f"--trace {args.trace} is no file; `elsinore cache import` writes one")
    if args.figure and not args.figure.parent.is_dir():
        parser.error(f"--figure {args.figure} cannot be written: no folder {args.figure.parent}")
    if args.figure and args.figure.suffix not in FIGURES:
        parser.error(f"--figure {args.figure} must end in one of {', '.join(FIGURES)}")
    if wrong := [text for text in args.set if "=" not in text]:
        parser.error(f"--set {wrong[0]} has no '='; give NAME=VALUE")
    given = (text.partition("=") for text in args.set)
    args.set = {name: yaml.safe_load(value) for name, _, value in given}
    try:
        compare(PAIRS[args.pair], args)
    except elsinore.ConfigError as error:
        parser.error(str(error))
    return 0


def compare(pair: Pair, args: argparse.Namespace) -> None:
    """Train the three runs of a pair, and report them."""
    with tempfile.TemporaryDirectory() as folder:
        args.runs_dir = args.runs_dir or Path(folder)
        source = trained(pair, "source", "source", args)
        start = {"from_run": source, "from_leave": args.from_leave}
        tuned = trained(pair, "target", "tuned", args, **start)  # first: a misfit is refused here
        runs = {"from scratch": trained(pair, "target", "scratch", args), "fine-tuned": tuned}
        print(f"{pair.names[1]}, from scratch and from {pair.names[0]}")
        print(report(source, runs))
        if args.figure:
            draw(args.figure, pair, runs)


if __name__ == "__main__":
    sys.exit(main())
