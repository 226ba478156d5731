"""`elsinore cache`: import recorded traces, and replay them under classic and trained policies."""

import argparse
import json

from elsinore.cli.arguments import add_runs_dir, add_trust, trust_of
from elsinore.errors import counted


def add(commands) -> None:
    cache = commands.add_parser(
        "cache", help="import traces of requests, and replay them under cache policies"
    )
    actions = cache.add_subparsers(required=True, metavar="ACTION")
    add_import(actions)
    add_replay(actions)


def add_import(actions) -> None:
    command = actions.add_parser(
        "import",
        help="convert to a trace: a web log, a CSV, JSON lines or libCacheSim's oracleGeneral",
    )
    command.set_defaults(function=import_command)
    command.add_argument(
        "log",
        metavar="LOG",
        help=(
            "access.log, trace.csv, trace.jsonl or trace.oracleGeneral.bin, also with .gz or .zst"
            " behind"
        ),
    )
    command.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="npz file to write (default: LOG's name as .npz, in this folder)",
    )
    command.add_argument(
        "--format",
        metavar="NAME",
        help="weblog, csv, jsonl or oracleGeneral (default: by the file's name)",
    )
    command.add_argument(
        "--sizes",
        metavar="HOW",
        help=(
            "sizes of an object whose requests differ: exact (refuse; default), largest (default "
            "for web logs) or first"
        ),
    )


def add_replay(actions) -> None:
    command = actions.add_parser("replay", help="hit ratios of policies on a trace")
    command.set_defaults(function=replay_command)
    command.add_argument(
        "trace", metavar="TRACE", help="npz file that `elsinore cache import` wrote, or `zipf`"
    )
    command.add_argument(
        "--capacity",
        default="64,256,1024",
        metavar="LIST",
        help="capacities with commas: 64 (objects), 1MB, 512KiB, 5%% (of the distinct bytes)",
    )
    command.add_argument(
        "--policies", default="all", metavar="LIST", help="names with commas (default: all)"
    )
    command.add_argument(
        "--run", metavar="RUN", help="run trained in Cache-trace, compared with the policies"
    )
    command.add_argument(
        "--plot",
        default="hit_ratios.png",
        metavar="FILE",
        help="picture to write, in the format of its ending (default: %(default)s)",
    )
    command.add_argument(
        "--check", choices=["libcachesim"], help="compare the hits with another simulator's"
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    add_trust(command)
    add_runs_dir(command)


def import_command(args: argparse.Namespace) -> int:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from elsinore.worlds.cache.traces.importing import import_trace, save_trace

    source = Path(args.log)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(source.name, total=source.stat().st_size if source.exists() else None)
        found = import_trace(
            source, args.format, args.sizes, lambda at: bar.update(task, completed=at)
        )
    trace, out = found.trace, Path(args.out or _named_after(source))
    save_trace(trace, out)
    print(
        f"{out}: {counted(trace.num_requests, 'request')} of"
        f" {counted(trace.num_objects, 'object')}, {trace.object_size.sum():,} distinct bytes,"
        f" of {counted(found.lines, 'line')}"
    )
    for reason in found.skipped.lines():
        print(f"  left out: {reason}")
    return 0


def _named_after(log) -> str:
    """`access.npz` for access.log, `site.npz` for site.oracleGeneral.bin.zst."""
    known = (".log", ".csv", ".jsonl", ".ndjson", ".oraclegeneral", ".bin", ".zst", ".gz")
    while log.suffix.lower() in known:
        log = log.with_suffix("")
    return f"{log.name}.npz"


def replay_command(args: argparse.Namespace) -> int:
    from pathlib import Path

    from elsinore.runs.files.whole_file import figure_path
    from elsinore.worlds.cache.traces.comparing import compare_policies
    from elsinore.worlds.cache.traces.drawing import draw_hit_ratios
    from elsinore.worlds.cache.traces.simulator import check_installed

    if args.check:
        check_installed()
    plot = None if args.json else figure_path(Path(args.plot), "--plot")
    results = compare_policies(
        args.trace, args.capacity, args.policies, args.run, args.runs_dir, trust_of(args)
    )
    simulated = _simulated(args, results) if args.check else {}
    if plot is None:
        rows = [
            {"capacity": capacity.amount, "unit": capacity.unit, "policy": name}
            | counts._asdict()
            | ({"libcachesim_hits": simulated[capacity, name]} if simulated else {})
            for capacity, by_policy in results.items()
            for name, counts in by_policy.items()
        ]
        print(json.dumps(rows))
        return 0
    _print_tables(results, simulated)
    draw_hit_ratios(results, plot, Path(args.trace).name)
    print(f"drawn: {plot}")
    return 0


def _simulated(args: argparse.Namespace, results) -> dict:
    from elsinore.worlds.cache.trace.recording import resolve_trace
    from elsinore.worlds.cache.traces.simulator import simulated_hits

    trace = resolve_trace(args.trace)
    return {
        (capacity, name): simulated_hits(trace, name, capacity.amount, capacity.unit)
        for capacity, by_policy in results.items()
        for name in by_policy
    }


def _print_tables(results, simulated: dict) -> None:
    from rich.table import Table
    from rich.text import Text

    from elsinore.runs.plain_console import PlainConsole
    from elsinore.worlds.cache.traces.comparing import gap_closed

    for capacity, by_policy in results.items():
        # in objects each counts as one, and a ratio of bytes would say nothing
        in_bytes = capacity.unit == "bytes"
        table = Table(title=f"capacity {capacity.text} ({capacity.amount} {capacity.unit})")
        for heading in (
            "policy",
            "hits",
            "hit ratio",
            *(["byte hit ratio"] * in_bytes),
            "of the gap",
            *(["libCacheSim"] * bool(simulated)),
        ):
            table.add_column(heading, justify="left" if heading == "policy" else "right")
        for name, counts in sorted(by_policy.items(), key=lambda item: -item[1].hits):
            share = gap_closed(by_policy, name)
            cells = [
                name,
                str(counts.hits),
                f"{counts.hit_ratio:.4f}",
                *([f"{counts.byte_hit_ratio:.4f}"] * in_bytes),
                "" if share is None else f"{share:.0%}",
            ]
            if simulated:
                cells.append(_verdict(simulated[capacity, name], counts.hits, name))
            table.add_row(*map(Text, cells))  # brackets in the name of a run's folder are no markup
        PlainConsole().print(table)


def _verdict(theirs: int | None, ours: int, name: str) -> str:
    from elsinore.worlds.cache.traces.simulator import DIFFERS

    if theirs is None:
        return "not available"
    if theirs == ours:
        return "equal"
    return f"{theirs} ({DIFFERS[name]})" if name in DIFFERS else f"{theirs} DIFFERS"
