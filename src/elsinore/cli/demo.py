"""`elsinore demo`: train a small agent and show its progress."""

import argparse
import sys

from elsinore.cli.arguments import add_runs_dir
from elsinore.cli.streams import forgive_stdout, say
from elsinore.errors import ConfigError, quoted, shown

DEMOS = ("hamlet", "cartpole")


def add(commands) -> None:
    demo = commands.add_parser(
        "demo",
        help="train a small agent and show its progress",
        description=(
            "Train a short run unless it exists, show the untrained and the trained agent side by"
            " side in the terminal and on the live page, and write a film, a strip of snapshots and"
            " the learning curve."
        ),
    )
    demo.set_defaults(function=demo_command)
    demo.add_argument("name", metavar="NAME", help=f"demo: {' or '.join(DEMOS)}")
    demo.add_argument(
        "--out",
        metavar="DIR",
        help="output directory of the pictures (default: demo/ in the run's directory)",
    )
    demo.add_argument("--film", metavar="FILE", help="additional file for the film, .gif or .mp4")
    demo.add_argument("--no-show", action="store_true", help="write the files and show nothing")
    demo.add_argument(
        "--watch",
        action=argparse.BooleanOptionalAction,
        help=(
            "show both agents on the live page too, until Ctrl-C (default: if there is a terminal)"
        ),
    )
    demo.add_argument(
        "--port", type=int, default=0, help="port of the page (default: any free port)"
    )
    add_runs_dir(demo)


def demo_command(args: argparse.Namespace) -> int:
    from pathlib import Path

    from elsinore.cli.play import console_of
    from elsinore.config.extras import require

    require("watch", "elsinore demo", "look at a trained agent with `elsinore play`")
    from elsinore.page.server import watch
    from elsinore.view.demo.api import demo
    from elsinore.view.drawing.film import check_film

    out = None if args.out is None else Path(args.out)
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--out {out} cannot be written: {error.strerror}; choose another."
            ) from error
    if args.film:
        check_film(Path(args.film))
    forgive_stdout()
    try:
        made = demo(args.name, runs_dir=args.runs_dir)
    except KeyboardInterrupt:
        say("interrupted; the same command resumes the demo", file=sys.stderr)
        raise
    console = console_of()
    if not args.no_show:
        made.show(console)
    for path in made.pictures(out or made.run.path / "demo"):
        say(shown(path))
    if args.film:
        say(str(made.untrained_beside_trained(Path(args.film))))
    replay = f"elsinore play {quoted(made.episodes[-1].path)}"
    say(f"run: {shown(made.run.path)}; replay the last snapshot: `{replay}`")
    if args.watch or (args.watch is None and console.is_terminal and not args.no_show):
        return watch(
            str(made.run.path), args.runs_dir, "127.0.0.1", args.port, browser=True, part=made.part
        )
    return 0
