"""`elsinore runs`: the runs there are, and what came of them."""

import argparse
import json
from pathlib import Path

from elsinore.cli.arguments import add_runs_dir

DEPTHS = ("[!.]*", "[!.]*/[!.]*/[!.]*")  # a run, and a comparison's: its name, environment and algorithm


def add(commands) -> None:
    runs = commands.add_parser("runs", help="list the runs")
    runs.set_defaults(function=runs_command)
    add_runs_dir(runs)


def runs_command(args: argparse.Namespace) -> int:
    from elsinore.config.build import ConfigError
    from elsinore.host.folder import RunFolder

    top = Path(args.runs_dir)
    folders = sorted(path.parent for depth in DEPTHS for path in top.glob(f"{depth}/config.yaml"))
    if not folders:
        print(f"no runs in {args.runs_dir}; `elsinore train CartPole-v1` makes one")
        return 0
    names = {folder: folder.relative_to(top).as_posix() for folder in folders}
    width = max(map(len, names.values()))
    print(f"{'run':{width}}  {'state':12} {'seeds':>5}  {'env steps':>12}  {'return (IQM)':>12}")
    for folder, name in names.items():
        run = RunFolder(folder)
        try:
            summary = json.loads(run.summary.read_text()) if run.summary.exists() else None
            seeds = summary["seeds"] if summary else run.experiment().seeds
        except (ConfigError, ValueError) as error:
            print(f"{name:{width}}  unreadable: {error}")
            continue
        if summary is None:
            print(f"{name:{width}}  {'training' if run.is_locked() else 'interrupted':12} {seeds:>5}")
            continue
        score = summary["eval_return"]["iqm"]
        shown = "-" if score is None else f"{score:.1f}"
        print(f"{name:{width}}  {summary['stopped_by']:12} {seeds:>5}  {summary['env_steps']:>12,}  {shown:>12}")
    return 0
