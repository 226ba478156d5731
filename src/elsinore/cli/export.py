"""`elsinore export`: write a run's policy for deployment, or its metrics as JSON."""

import argparse
import json
from pathlib import Path

from elsinore.cli.arguments import add_checkpoint, add_run, add_runs_dir, add_trust, trust_of
from elsinore.cli.streams import say
from elsinore.errors import ConfigError, shown

BATCH_SIZES = (1, 256)


def add(commands) -> None:
    export = commands.add_parser(
        "export", help="write a run's policy for deployment, or its metrics as JSON"
    )
    export.set_defaults(function=export_command)
    add_run(export, "; with --format json also a replay's file")
    export.add_argument(
        "--format",
        default="jax",
        metavar="NAME",
        help="format: jax (a function; default), onnx, mlflow (a pyfunc) or json (the metrics)",
    )
    add_checkpoint(export)
    export.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed whose policy is exported (default: the best at that checkpoint)",
    )
    export.add_argument(
        "--agent", metavar="NAME", help="agent, if several learn independently, e.g. agent_0"
    )
    export.add_argument(
        "-o",
        "--out",
        metavar="DIR",
        help="folder to write, or with --format json a file (default: export/FORMAT, or"
        " metrics.json, in the run's directory; the JSON of a replay is printed)",
    )
    export.add_argument("--measure", action="store_true", help="measure the latency of a decision")
    export.add_argument("--json", action="store_true", help="print JSON")
    add_trust(export)
    add_runs_dir(export)


def export_command(args: argparse.Namespace) -> int:
    from elsinore.runs import api
    from elsinore.runs.export.export import FORMS

    if args.run.endswith(".npz"):
        return _replay(args)
    if args.format not in (known := [*FORMS, "json"]):
        raise ConfigError(f"--format {args.format!r} is unknown; choose one of {', '.join(known)}.")
    from elsinore.runs.export.latency import about_of

    run = api.load(args.run, runs_dir=args.runs_dir, trust=trust_of(args))
    out = Path(args.out) if args.out is not None else None
    if args.format == "json":
        return _metrics(args, run, out)
    checkpoint = run.checkpoint(args.checkpoint).name
    out = run.export(args.format, out, checkpoint=checkpoint, seed=args.seed, agent=args.agent)
    measured = _measured(args.format, out) if args.measure else {}
    if args.json:
        seconds = {str(size): latency._asdict() for size, latency in measured.items()}
        facts = {"out": str(out), "format": args.format, "checkpoint": checkpoint}
        print(json.dumps(facts | {"seconds_by_batch": seconds}))
        return 0
    files = ", ".join(sorted(file.name for file in out.iterdir()))
    about = about_of(out)
    agent = f", {about['agent']}" if "agent" in about else ""
    say(f"exported: {shown(out)}/ with {files} ({checkpoint}, seed {about['seed']}{agent})")
    for size, latency in measured.items():
        say(f"  batch {size:>3}: {latency}")
    return 0


def _replay(args: argparse.Namespace) -> int:
    """Write a replay as JSON, to stdout or a file."""
    from elsinore.runs.files.whole_file import whole_file
    from elsinore.runs.replays.files import as_json

    if args.format != "json":
        raise ConfigError(f"{args.run} is a replay; give --format json, or the run's name.")
    options = {name: getattr(args, name) for name in ("checkpoint", "seed", "agent")}
    options |= {"measure": args.measure or None, "json": args.json or None}
    if given := [name for name, value in options.items() if value is not None]:
        raise ConfigError(
            f"{args.run} is a replay, which is written as recorded; leave out --{given[0]}."
        )
    text = json.dumps(as_json(Path(args.run)), allow_nan=False)
    if args.out is None:
        print(text)
    else:
        with whole_file(Path(args.out)) as unfinished:
            unfinished.write_text(text + "\n", encoding="utf-8")
    return 0


def _measured(form: str, out: Path) -> dict:
    from elsinore.runs.export.latency import DECIDERS, about_of, latency_of, observations_like

    decide, about = DECIDERS[form](out), about_of(out)
    return {size: latency_of(decide, observations_like(about, size)) for size in BATCH_SIZES}


def _metrics(args: argparse.Namespace, run, out: Path | None) -> int:
    from elsinore.runs.metrics_json import write_metrics

    given = [name for name in ("checkpoint", "seed", "agent") if getattr(args, name) is not None]
    if given or args.measure:
        what = given[0] if given else "measure"
        raise ConfigError(f"--format json writes the metrics of the whole run; leave out --{what}.")
    out = run.path / "metrics.json" if out is None else out
    write_metrics(run, out)
    print(
        json.dumps({"out": str(out), "format": "json"}) if args.json else f"exported: {shown(out)}"
    )
    return 0
