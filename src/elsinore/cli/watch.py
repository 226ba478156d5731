"""`elsinore watch`: runs as a live page in the browser."""

import argparse

from elsinore.cli.arguments import add_runs_dir


def add(commands) -> None:
    watch = commands.add_parser("watch", help="show runs as a live page in the browser", description=(
        "Serve a page, to this machine only, that shows how runs are getting on, plays their replays, and can start, "
        "pause and stop them. It reads the runs' folders; the training does not notice."))  # fmt: skip
    watch.set_defaults(function=watch_command)
    watch.add_argument("where", nargs="?", metavar="RUN|RUNS_DIR", help="a run, or a folder of runs (default: runs)")
    watch.add_argument("--port", type=int, default=0, help="default: one that is free")
    watch.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: this machine only)")
    watch.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    watch.add_argument("--beside", action="store_true", help=argparse.SUPPRESS)  # as `train --watch` starts it
    add_runs_dir(watch)


def watch_command(args: argparse.Namespace) -> int:
    from elsinore.host.page.server import watch

    return watch(args.where, args.runs_dir, args.host, args.port, not args.no_browser, args.beside)
