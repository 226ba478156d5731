"""`elsinore evaluate`: play fresh episodes with a run's policies."""

import argparse
import json

from elsinore.cli.arguments import add_runs_dir


def add(commands) -> None:
    evaluate = commands.add_parser("evaluate", help="play fresh episodes with a run's policies")
    evaluate.set_defaults(function=evaluate_command)
    evaluate.add_argument("run", metavar="RUN", help="a run's folder, or its name in the runs folder")
    evaluate.add_argument("--episodes", type=int, default=128, help="of each seed (default: 128)")
    evaluate.add_argument("--checkpoint", default="latest", metavar="NAME",
                          help="best, latest, or a checkpoint's name (default: latest)")  # fmt: skip
    evaluate.add_argument("--sample", action="store_true", help="draw actions as in training; default: the likeliest")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    add_runs_dir(evaluate)


def evaluate_command(args: argparse.Namespace) -> int:
    from elsinore.host import api
    from elsinore.host.statistics import ci95, iqm
    from elsinore.host.summary import replica_names

    run = api.load(args.run, runs_dir=args.runs_dir)
    returns = run.evaluate(args.episodes, args.checkpoint, args.sample)
    per_seed = [float(x) for x in returns.mean(axis=1)]
    checkpoint = run.checkpoint(args.checkpoint).name
    if args.json:
        print(json.dumps({"checkpoint": checkpoint, "episodes": args.episodes, "greedy": not args.sample,
                          "mean": sum(per_seed) / len(per_seed), "iqm": float(iqm(per_seed)), "ci95": ci95(per_seed),
                          "per_seed": per_seed}))  # fmt: skip
        return 0
    print(f"{run.path}, {checkpoint}: {args.episodes} episodes a seed, {'sampled' if args.sample else 'greedy'}")
    names = replica_names(run.experiment.seed, run.experiment.seeds, run.experiment.member_values)
    for name, mean, seed in zip(names, per_seed, returns, strict=True):
        print(f"  {name}: {mean:8.1f} +- {seed.std():.1f}  [{seed.min():.1f}, {seed.max():.1f}]")
    return 0
