"""`elsinore watch`: a live page of runs in the browser."""

import argparse

from elsinore.cli.arguments import add_runs_dir


def add(commands) -> None:
    watch = commands.add_parser(
        "watch",
        help="show runs on a live page in the browser",
        description=(
            "Serve a page that shows the progress of runs, plays their replays, and can start,"
            " pause and stop them. It only reads the runs' directories, so training is not slowed."
        ),
    )
    watch.set_defaults(function=watch_command)
    watch.add_argument(
        "target",
        nargs="?",
        metavar="RUN|RUNS_DIR",
        help="run to open first, or directory of runs (default: runs)",
    )
    watch.add_argument("--port", type=int, default=0, help="port (default: any free port)")
    watch.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: 127.0.0.1, this machine only)",
    )
    watch.add_argument(
        "--no-browser", action="store_true", help="print the address without opening a browser"
    )
    # set by `train --watch`: its process
    watch.add_argument("--beside", type=int, help=argparse.SUPPRESS)
    add_runs_dir(watch)


def watch_command(args: argparse.Namespace) -> int:
    from elsinore.config.extras import require

    require("watch", "elsinore watch", "look with `elsinore runs` and `elsinore report`")
    from elsinore.page.server import watch

    return watch(args.target, args.runs_dir, args.host, args.port, not args.no_browser, args.beside)
