"""`elsinore play`: look at an agent."""

import argparse

from elsinore.cli.arguments import add_runs_dir

WIDTH = 110  # characters, where there is no terminal to ask


def add(commands) -> None:
    play = commands.add_parser("play", help="look at an agent, in the terminal or as a film", description=(
        "Play episodes of TARGET: a run's policy, a replay (RUN/replays/*.npz), or an environment by its name, in "
        "which chance plays, or you do (--human)."))  # fmt: skip
    play.set_defaults(function=play_command)
    play.add_argument("target", metavar="TARGET", help="a run's folder or name, a replay's file, or an environment")
    play.add_argument("--policy", metavar="WHICH",
                      help="of a run: latest, best, untrained, or a checkpoint's name (default: latest)")  # fmt: skip
    play.add_argument("--seed-index", type=int, metavar="I",
                      help="which of a run's seeds, from 0 (default: the best)")  # fmt: skip
    play.add_argument("--agent", metavar="NAME",
                      help="of several in one world, the one to look at (default: agent_0)")  # fmt: skip
    play.add_argument("--episodes", type=int, default=1, metavar="N", help="how many (default: 1)")
    play.add_argument("--first", type=int, default=0, metavar="N",
                      help="the number of the first; each number is always the same episode (default: 0)")  # fmt: skip
    play.add_argument("--sample", action="store_true", help="draw actions as in training; default: the likeliest")
    play.add_argument("--speed", type=float, default=1.0, metavar="X",
                      help="1: the world's own pace, 2: twice that, 0: as fast as can be (default: 1)")  # fmt: skip
    play.add_argument("--step", action="store_true", help="wait for Enter after each step")
    play.add_argument("--every", type=int, default=0, metavar="N",
                      help="without a terminal: print every N-th step (default: ten or so in all)")  # fmt: skip
    play.add_argument("--gif", metavar="FILE", help="write a film instead")
    play.add_argument("--mp4", metavar="FILE", help="likewise; needs the extra `video`")
    play.add_argument("--day", metavar="FILE", help="draw what a Hamlet agent does all day instead, as a .png")
    play.add_argument("--light", action="store_true", help="a film on white")
    play.add_argument("--human", action="store_true",
                      help="play yourself: type what to do, a line at a time, q to end; also from a pipe")  # fmt: skip
    play.add_argument("--set", dest="assignments", action="append", default=[], metavar="NAME=VALUE",
                      help="a setting of an environment, e.g. env_params.max_ante=1, env_kwargs.NAME=...")  # fmt: skip
    add_runs_dir(play)


def play_command(args: argparse.Namespace) -> int:
    from elsinore.config.build import ConfigError
    from elsinore.config.load import parse_set
    from elsinore.host.drawing import player
    from elsinore.host.drawing.company import numbered
    from elsinore.host.play import episodes_of

    for name in ("speed", "every", "first"):
        if not 0 <= getattr(args, name) < float("inf"):
            raise ConfigError(f"--{name} {getattr(args, name)} must be 0 or more.")
    settings = parse_set(args.assignments)
    if args.human:
        return _by_hand(args, settings)
    episodes = episodes_of(args.target, policy=args.policy, seed_index=args.seed_index, episodes=args.episodes,
                           sample=args.sample, first=args.first, agent=numbered(args.agent), settings=settings,
                           runs_dir=args.runs_dir)  # fmt: skip
    if args.day:
        return _day(args, next(episodes))
    if args.gif or args.mp4:
        return _film(args, episodes)
    console = _console()
    for episode in episodes:
        if not args.step:
            player.play(episode, console, speed=args.speed, every=args.every)
        elif not player.step(episode, console):
            return 0
        console.print(f"return {episode.about['return']:g} after {episode.about['length']:,} steps: {episode.outcome}")
    return 0


def _console():
    from rich.console import Console

    return Console() if Console().is_terminal else Console(width=WIDTH)


# What only makes sense where a policy plays, or what has happened is shown.
NOT_BY_HAND = ("policy", "seed_index", "agent", "sample", "step", "every", "gif", "mp4", "day")


def _by_hand(args: argparse.Namespace, settings: dict) -> int:
    from elsinore.config.build import ConfigError
    from elsinore.host import by_hand
    from elsinore.host.play import world_to_play

    given = [name for name in NOT_BY_HAND if getattr(args, name)]
    if given:
        raise ConfigError(f"--human and --{given[0].replace('_', '-')} do not go together: you play, and live.")
    if args.episodes < 1:
        raise ConfigError(f"--episodes {args.episodes} must be at least 1.")
    console = _console()
    world = by_hand.ready(*world_to_play(args.target, settings, args.runs_dir))
    for seed in range(args.first, args.first + args.episodes):
        if not by_hand.play(world, seed, console, console.input):
            return 0
    return 0


def _day(args: argparse.Namespace, episode) -> int:
    from pathlib import Path

    from elsinore.host.drawing.day import draw_day

    episode = getattr(episode, "own", episode)  # of several, the day of the one that is looked at
    day = draw_day(Path(args.day), episode)
    print(f"{args.day}: {len(day.used):,} steps, return {episode.about['return']:g}")
    return 0


def _film(args: argparse.Namespace, episodes) -> int:
    from pathlib import Path

    from elsinore.host.drawing.film import check_film, write_film
    from elsinore.host.drawing.palette import DARK, LIGHT

    paths = [Path(name) for name in (args.gif, args.mp4) if name]
    for path in paths:
        check_film(path)
    episodes = list(episodes)
    for path in paths:
        frames = write_film(path, episodes, args.speed, LIGHT if args.light else DARK)
        print(f"{path}: {frames} frames, {path.stat().st_size / 2**20:.1f} MiB")
    return 0
