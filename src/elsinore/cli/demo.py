"""`elsinore demo`: from nothing to an agent to look at."""

import argparse

from elsinore.cli.arguments import add_runs_dir

NAMES = ("hamlet", "cartpole")


def add(commands) -> None:
    demo = commands.add_parser("demo", help="see an agent learn, from one command", description=(
        "Train a short run if there is none yet, then show the untrained agent beside the trained one and how it got "
        "there, in the terminal and in the live page, and write a film, a strip and the curve."))  # fmt: skip
    demo.set_defaults(function=demo_command)
    demo.add_argument("name", metavar="NAME", help=" or ".join(NAMES))
    demo.add_argument("--out", metavar="DIR", help="where the pictures go (default: demo/ in the run's folder)")
    demo.add_argument("--film", metavar="FILE", help="write the film here as well, as .gif or .mp4")
    demo.add_argument("--no-show", action="store_true", help="show nothing, write only")
    demo.add_argument("--watch", action=argparse.BooleanOptionalAction, help=(
        "show both agents in the live page too, until Ctrl-C (default: where there is a terminal)"))  # fmt: skip
    demo.add_argument("--port", type=int, default=0, help="of the page (default: one that is free)")
    add_runs_dir(demo)


def demo_command(args: argparse.Namespace) -> int:
    from pathlib import Path

    from rich.console import Console

    from elsinore.cli.play import WIDTH
    from elsinore.host.demo.api import demo
    from elsinore.host.drawing.film import check_film
    from elsinore.host.page.server import watch

    if args.film:
        check_film(Path(args.film))
    made = demo(args.name, runs_dir=args.runs_dir)
    console = Console() if Console().is_terminal else Console(width=WIDTH)
    if not args.no_show:
        made.show(console)
    for path in made.pictures(Path(args.out or made.run.path / "demo")):
        print(path)
    if args.film:
        print(made.untrained_beside_trained(Path(args.film)))
    print(f"the run: {made.run.path}; look closer with `elsinore play {made.pages[-1].path}`")
    if args.watch or (args.watch is None and console.is_terminal and not args.no_show):
        return watch(str(made.run.path), args.runs_dir, "127.0.0.1", args.port, browser=True, part=made.part)
    return 0
