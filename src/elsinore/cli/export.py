"""`elsinore export`: take a run's policy to where it is used, or its numbers to where they are read."""

import argparse
import json
from pathlib import Path

from elsinore.cli.arguments import add_runs_dir

BATCHES = (1, 256)


def add(commands) -> None:
    export = commands.add_parser("export", help="a policy as a file to ship, or a run's numbers as one JSON file")
    export.set_defaults(function=export_command)
    export.add_argument("run", metavar="RUN", help="a run's folder, or its name in the runs folder")
    export.add_argument("--format", default="jax", metavar="NAME",
                        help="jax (a function; default), mlflow (a pyfunc) or json (the metrics)")  # fmt: skip
    export.add_argument("--checkpoint", metavar="NAME", help="best, latest or a checkpoint's name (default: latest)")
    export.add_argument("--seed", type=int, help="whose policy (default: the best by the final evaluation)")
    export.add_argument("--agent", metavar="NAME", help="of several that learn each for itself, e.g. agent_0")
    export.add_argument("-o", "--out", metavar="DIR", help="what to write (default: export/FORMAT in the run's folder)")
    export.add_argument("--measure", action="store_true", help="say how long a decision takes")
    export.add_argument("--json", action="store_true", help="print JSON")
    add_runs_dir(export)


def export_command(args: argparse.Namespace) -> int:
    from elsinore.host import api
    from elsinore.host.export import export

    run = api.load(args.run, runs_dir=args.runs_dir)
    out = Path(args.out) if args.out is not None else None
    if args.format == "json":
        return _metrics(args, run, out)
    out = export(run, args.format, out, checkpoint=args.checkpoint or "latest", seed=args.seed, agent=args.agent)
    measured = _measured(args.format, out) if args.measure else {}
    if args.json:
        told = {str(size): latency._asdict() for size, latency in measured.items()}
        print(json.dumps({"out": str(out), "format": args.format, "seconds_by_batch": told}))
        return 0
    print(f"exported: {out}")
    for size, latency in measured.items():
        print(f"  batch {size:>3}: {latency}")
    return 0


def _measured(form: str, out: Path) -> dict:
    from elsinore.host.latency import DECIDERS, about_of, latency_of, observations_like

    decide, about = DECIDERS[form](out), about_of(out)
    return {size: latency_of(decide, observations_like(about, size)) for size in BATCHES}


def _metrics(args: argparse.Namespace, run, out: Path | None) -> int:
    from elsinore.config.build import ConfigError
    from elsinore.host.metrics_file import write_metrics

    given = [name for name in ("checkpoint", "seed", "agent") if getattr(args, name) is not None]
    if given or args.measure:
        what = given[0] if given else "measure"
        raise ConfigError(f"--format json writes what was told of the whole run; --{what} says nothing to it.")
    out = run.path / "metrics.json" if out is None else out
    write_metrics(run, out)
    print(json.dumps({"out": str(out), "format": "json"}) if args.json else f"exported: {out}")
    return 0
