"""`elsinore train`: train, or go on with a run."""

import argparse
import sys
from pathlib import Path

from elsinore.cli.arguments import EXIT_INTERRUPTED, add_runs_dir, add_settings


def add(commands) -> None:
    train = commands.add_parser("train", help="train, or go on with a run", description=(
        "Train on ENV: a known name (`elsinore envs`), a preset (ppo/CartPole-v1) or 'module:Class'."))  # fmt: skip
    train.set_defaults(function=train_command)
    add_arguments(train)


def add_arguments(train: argparse.ArgumentParser) -> None:
    train.add_argument("env", nargs="?", metavar="ENV")
    train.add_argument("--algo", help="a known name or 'module:function' (default: ppo)")
    add_settings(train)
    train.add_argument("--double", dest="assignments", action="append_const", const="algo.double=true",
                       help="Double DQN: short for --set algo.double=true")  # fmt: skip
    train.add_argument("--seed", type=int, help="the first random seed (default: 0)")
    train.add_argument("--seeds", type=int, help="how many seeds, side by side (default: 1)")
    train.add_argument("--name", help="of the run's folder (default: made from env, algorithm and time)")
    add_runs_dir(train)
    train.add_argument("--plan", action="store_true", help="say what would be done, and what it needs; do nothing")
    train.add_argument("--resume", metavar="RUN", help="go on with this run, exactly where it was")
    train.add_argument("--fall-back", action="store_true", help="with --resume: skip a broken checkpoint")
    train.add_argument("--accept-versions", action="store_true", help="with --resume: other library versions are fine")
    train.add_argument("--watch", action="store_true", help="show it as a live page in the browser (`elsinore watch`)")
    train.add_argument("--no-check", action="store_true", help="do not hold a world of one's own to the laws first")


def train_command(args: argparse.Namespace) -> int:
    from elsinore.config.build import ConfigError
    from elsinore.config.load import parse_set

    given = [name for name in ("env", "algo", "config", "seed", "seeds", "name") if getattr(args, name) is not None]
    if args.resume is not None and (given or args.assignments):
        what = given[0] if given else "set"
        raise ConfigError(f"--resume goes on with a run as it is; {what} cannot be changed. Leave it out.")
    overrides = parse_set(args.assignments)
    if args.plan:
        return _print_plan(args, overrides)
    from elsinore.host import api

    if args.watch:
        _watch(args, overrides)
    if args.resume is not None:
        run = api.resume(args.resume, runs_dir=args.runs_dir, fall_back=args.fall_back,
                         accept_versions=args.accept_versions)  # fmt: skip
    else:
        run = api.train(args.env, args.algo, config=args.config, overrides=overrides, seeds=args.seeds,
                        seed=args.seed, name=args.name, runs_dir=args.runs_dir, check=not args.no_check)  # fmt: skip
    print(describe_run(run))
    if run.summary["stopped_by"] == "interrupted":
        print(f"interrupted; go on with:\n  elsinore train --resume {run.path}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _described(args: argparse.Namespace, overrides: dict):
    """The experiment that the arguments describe."""
    from elsinore.host import api

    settings = {"config": args.config, "overrides": overrides, "seeds": args.seeds, "seed": args.seed}
    return api.describe(args.env, args.algo, **settings)


def _watch(args: argparse.Namespace, overrides: dict) -> None:
    """Start the page of the run that is about to begin, which from here on has a name."""
    from elsinore.host.folder import RunFolder, free_name
    from elsinore.host.page.server import start_beside

    runs_dir = Path(args.runs_dir)
    if args.resume is not None:
        start_beside(RunFolder.open(args.resume, runs_dir).path)
        return
    experiment, _ = _described(args, overrides)
    args.name = args.name or free_name(runs_dir, experiment)
    start_beside(runs_dir / args.name)


def _print_plan(args: argparse.Namespace, overrides: dict) -> int:
    from elsinore.host import api

    if args.resume is not None:
        experiment, env = api.load(args.resume, runs_dir=args.runs_dir).experiment, None
    else:
        experiment, env = _described(args, overrides)
    api.prepare()
    plan = api.plan_for(experiment, env)
    print("\n".join(plan.lines()))
    plan.refuse_what_does_not_fit()
    return 0


def describe_run(run) -> str:
    """A run's outcome, for people."""
    from elsinore.host.summary import replica_names

    summary = run.summary
    score, steps = summary["eval_return"], summary["env_steps"]
    lines = ["", f"{summary['algo']} on {summary['env']}: {summary['stopped_by']} after {steps:,} env steps a seed"]
    names = replica_names(summary["first_seed"], summary["seeds"], summary.get("members", [{}]))
    for i, (name, value) in enumerate(zip(names, score["per_seed"], strict=True)):
        at = summary["converged_at_env_steps"][i]
        how = f"converged at {at:,}" if at is not None else f"{summary['env_steps_per_seed'][i]:,} env steps"
        shown = "not finite" if value is None else f"{value:8.1f}"
        lines.append(f"  {name}: {shown}   {how}")
    if score["ci95"] and "members" not in summary:  # the members of a population are not draws of one thing
        low, high = score["ci95"]
        lines.append(f"  IQM {score['iqm']:.1f}, 95 % interval [{low:.1f}, {high:.1f}], mean {score['mean']:.1f}")
    speed, compiled, trained = (summary[name] for name in ("steps_per_second", "compile_seconds", "train_seconds"))
    lines.append(f"  over {summary['eval_episodes']} fresh episodes a seed")
    lines.append(f"  {speed:,.0f} steps/s; compiled in {compiled:.1f} s, trained in {trained:.1f} s")
    lines.append(f"  {run.path}/  curves: training_curves.png  numbers: summary.json, metrics.sqlite")
    return "\n".join(lines)
