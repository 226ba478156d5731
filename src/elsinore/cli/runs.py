"""`elsinore runs`: a table of all runs with their states and returns."""

import argparse
import json
from pathlib import Path

from elsinore.cli.arguments import add_runs_dir


def add(commands) -> None:
    runs = commands.add_parser("runs", help="list the runs with their states and returns")
    runs.set_defaults(function=runs_command)
    add_runs_dir(runs)


def runs_command(args: argparse.Namespace) -> int:
    from elsinore.config.parse import ConfigError
    from elsinore.page.runs_directory import run_paths
    from elsinore.runs.run_dir import RunDir

    top = Path(args.runs_dir)
    folders = run_paths(top)
    if not folders:
        print(f"no runs in {args.runs_dir}; start one with `elsinore train CartPole-v1`")
        return 0
    names = {folder: folder.relative_to(top).as_posix() for folder in folders}
    width = max(map(len, names.values()))
    print(f"{'run':{width}}  {'state':12} {'seeds':>5}  {'env steps':>12}  {'return (IQM)':>12}")
    for folder, name in names.items():
        run = RunDir(folder)
        try:
            summary = json.loads(run.summary.read_text()) if run.summary.exists() else None
            seeds = summary["seeds"] if summary else run.experiment().seeds
        except (ConfigError, ValueError) as error:
            print(f"{name:{width}}  unreadable: {error}")
            continue
        if summary is None:
            print(
                f"{name:{width}}  {'training' if run.is_locked() else 'interrupted':12} {seeds:>5}"
            )
            continue
        score = summary["eval_return"]["iqm"]
        shown = "-" if score is None else f"{score:.1f}"
        print(
            f"{name:{width}}  {summary['stopped_by']:12} {seeds:>5}  {summary['env_steps']:>12,} "
            f" {shown:>12}"
        )
    return 0
