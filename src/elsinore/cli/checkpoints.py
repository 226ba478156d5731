"""`elsinore checkpoints`: a table of a run's checkpoints."""

import argparse
import json
import time

from elsinore.cli.arguments import add_run, add_runs_dir
from elsinore.cli.streams import say
from elsinore.errors import shown


def add(commands) -> None:
    checkpoints = commands.add_parser(
        "checkpoints",
        help="list the checkpoints of a run, and mark the best",
        description="List the checkpoints of RUN, newest first. `elsinore train --from RUN@NAME`"
        " begins a new run from one; `--from-parts all` continues from it.",
    )
    checkpoints.set_defaults(function=checkpoints_command)
    add_run(checkpoints)
    checkpoints.add_argument("--json", action="store_true", help="print JSON")
    add_runs_dir(checkpoints)


def checkpoints_command(args: argparse.Namespace) -> int:
    from elsinore.runs import api
    from elsinore.runs.checkpoints import choice as checkpoint_choice

    run = api.load(args.run, runs_dir=args.runs_dir)
    rows = run.checkpoints()
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    if not rows:
        say(f"no checkpoints in {shown(run.path)} yet")
        return 0
    metric = run.experiment.checkpoints.metric
    say(f"  {'name':22}{'update':>10}{'env steps':>14}{metric:>16}{'size':>10}{'age':>8}")
    for row in rows:
        steps = "-" if row["env_steps"] is None else f"{row['env_steps']:,}"
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        age = "-" if row["time"] is None else _age(time.time() - row["time"])
        mark = "*" if row["best"] else " "
        say(
            f"{mark} {row['name']:22}{row['update']:>10,}{steps:>14}{value:>16}"
            f"{row['bytes'] / 2**20:>6.1f} MiB{age:>8}"
        )
    used = checkpoint_choice.by_default(run.path / "checkpoints", run.experiment)
    by_default = f"play, evaluate and export use {used.name} by default; " if used else ""
    say(f"* the best; {by_default}--resume continues from the newest")
    return 0


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
