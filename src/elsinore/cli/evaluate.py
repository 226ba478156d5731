"""`elsinore evaluate`: returns of fresh episodes with a run's policies."""

import argparse
import json

from elsinore.cli.arguments import (
    add_checkpoint,
    add_run,
    add_runs_dir,
    add_trust,
    trust_of,
)
from elsinore.cli.streams import say
from elsinore.errors import counted


def add(commands) -> None:
    evaluate = commands.add_parser("evaluate", help="evaluate a run's policies on fresh episodes")
    evaluate.set_defaults(function=evaluate_command)
    add_run(evaluate)
    evaluate.add_argument(
        "--episodes", type=int, default=128, metavar="N", help="episodes per seed (default: 128)"
    )
    add_checkpoint(evaluate)
    evaluate.add_argument(
        "--sample", action="store_true", help="sample actions as in training (default: greedy)"
    )
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    add_trust(evaluate)
    add_runs_dir(evaluate)


def evaluate_command(args: argparse.Namespace) -> int:
    from elsinore.runs import api
    from elsinore.runs.records import return_text
    from elsinore.runs.statistics import ci95, iqm
    from elsinore.runs.summary import replica_names

    run = api.load(args.run, runs_dir=args.runs_dir, trust=trust_of(args))
    checkpoint = run.checkpoint(args.checkpoint).name
    returns = run.evaluate(args.episodes, checkpoint, args.sample)
    per_seed = [float(x) for x in returns.mean(axis=1)]
    if args.json:
        print(
            json.dumps(
                {
                    "checkpoint": checkpoint,
                    "episodes": args.episodes,
                    "greedy": not args.sample,
                    "mean": sum(per_seed) / len(per_seed),
                    "iqm": float(iqm(per_seed)),
                    "ci95": ci95(per_seed),
                    "per_seed": per_seed,
                }
            )
        )
        return 0
    say(
        f"{run.path}, {checkpoint}: {counted(args.episodes, 'episode')} a seed,"
        f" {'sampled' if args.sample else 'greedy'}"
    )
    names = replica_names(run.experiment.seed, run.experiment.seeds, run.experiment.member_values)
    for name, mean, seed in zip(names, per_seed, returns, strict=True):
        low, high, deviation = map(return_text, (seed.min(), seed.max(), seed.std()))
        say(f"  {name}: {return_text(mean):>8} +- {deviation}  [{low}, {high}]")
    return 0
