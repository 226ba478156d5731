"""`elsinore play`: show episodes in the terminal or as a film, or play by hand."""

import argparse

from elsinore.cli.arguments import add_assignments, add_runs_dir, add_trust, trust_of
from elsinore.cli.streams import say
from elsinore.errors import ConfigError, counted

CONSOLE_WIDTH = 110  # characters, without a terminal
SLOWEST = 0.01  # speed; a GIF shows a frame for 655 s at most
# what an option does, and those without an effect beside it
WITHOUT_EFFECT = {
    "human": (
        "lets you play in the terminal",
        ("policy", "seed", "agent", "sample", "step", "speed", "every", "gif", "mp4", "day"),
    ),
    "day": (
        "draws one episode as a picture",
        ("episodes", "step", "speed", "every", "gif", "mp4"),
    ),
    "gif": ("writes a film", ("step", "every")),
    "mp4": ("writes a film", ("step", "every")),
    "step": ("waits for Enter after each step", ("speed", "every")),
}
DEFAULTS = {"episodes": 1, "every": 0}  # of these options; of the others None or False


def add(commands) -> None:
    play = commands.add_parser(
        "play",
        help="watch an agent in the terminal or as a film, or play yourself",
        description=(
            "Play episodes of TARGET: a run (its policy acts), a replay (RUN/replays/*.npz), or an"
            " environment by name (a random policy acts, or you do with --human)."
        ),
    )
    settable = ("env_params", "env_kwargs", "wrappers")  # by `--set`
    play.set_defaults(function=play_command, settable=settable)
    play.add_argument(
        "target", metavar="TARGET", help="run directory or name, replay file, or environment name"
    )
    _add_choice_of_episodes(play)
    _add_display(play)
    play.add_argument(
        "--human",
        action="store_true",
        help="play yourself: type one action per line, q to quit; also reads from a pipe",
    )
    add_assignments(
        play, help="environment setting, e.g. env_params.max_ante=1 or env_kwargs.NAME=VALUE"
    )
    add_trust(play)
    add_runs_dir(play)


def _add_choice_of_episodes(play: argparse.ArgumentParser) -> None:
    play.add_argument(
        "--policy",
        "--checkpoint",
        metavar="NAME",
        help="policy of a run: best, latest, untrained, or a checkpoint's name (default: best, or"
        " latest if none was kept as best)",
    )
    play.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="seed of the run whose policy acts (default: the best at that checkpoint)",
    )
    play.add_argument(
        "--agent",
        metavar="NAME",
        help="agent to follow in a multi-agent environment, by name or number (default: the first)",
    )
    play.add_argument(
        "--episodes", type=int, default=1, metavar="N", help="number of episodes (default: 1)"
    )
    play.add_argument(
        "--episode",
        type=int,
        default=0,
        metavar="N",
        help="number of the first episode; a number always gives the same one (default: 0)",
    )
    play.add_argument(
        "--sample", action="store_true", help="sample actions as in training (default: greedy)"
    )


def _add_display(play: argparse.ArgumentParser) -> None:
    play.add_argument(
        "--speed",
        type=float,
        metavar="X",
        help="playback speed: 1 is the environment's own, 0 is without delay (default: 1)",
    )
    play.add_argument("--step", action="store_true", help="wait for Enter after each step")
    play.add_argument(
        "--every",
        type=int,
        default=0,
        metavar="N",
        help="print every N-th step if there is no terminal (default: about ten in all)",
    )
    play.add_argument("--gif", metavar="FILE", help="write a film as .gif instead")
    play.add_argument(
        "--mp4", metavar="FILE", help="write a film as .mp4 instead; needs elsinore[video]"
    )
    play.add_argument(
        "--day", metavar="FILE", help="draw the day of a Hamlet agent as a .png instead"
    )
    play.add_argument("--light", action="store_true", help="draw films on a white background")


def play_command(args: argparse.Namespace) -> int:
    from elsinore.config.yaml_files import parse_set
    from elsinore.view.play import episodes_of

    _refuse_without_effect(args)
    args.speed = 1.0 if args.speed is None else args.speed
    for name in ("speed", "every", "episode"):
        if not 0 <= getattr(args, name) < float("inf"):
            raise ConfigError(f"--{name} {getattr(args, name)} must be 0 or more.")
    if 0 < args.speed < SLOWEST:
        raise ConfigError(f"--speed {args.speed} must be 0 or at least {SLOWEST}.")
    settings = parse_set(args.assignments)
    if args.human:
        return _human_play(args, settings)
    episodes = episodes_of(
        args.target,
        policy=args.policy,
        seed=args.seed,
        episodes=args.episodes,
        sample=args.sample,
        first_episode=args.episode,
        agent=args.agent,
        settings=settings,
        runs_dir=args.runs_dir,
        trust=trust_of(args),
    )
    if args.day:
        return _draw_day(args, next(episodes))
    if args.gif or args.mp4:
        return _write_films(args, episodes)
    return _play_in_terminal(args, episodes)


def _refuse_without_effect(args: argparse.Namespace) -> None:
    for name, (does, others) in WITHOUT_EFFECT.items():
        beside = [other for other in others if _is_given(args, other)]
        if beside and _is_given(args, name):
            raise ConfigError(
                f"--{name} and --{beside[0]} do not go together: --{name} {does}. Leave either out."
            )
    if args.light and not (args.gif or args.mp4):
        raise ConfigError("--light is for films; give --gif or --mp4, or leave it out.")


def _is_given(args: argparse.Namespace, name: str) -> bool:
    value = getattr(args, name)
    return value is not None and value is not False and value != DEFAULTS.get(name)


def _play_in_terminal(args: argparse.Namespace, episodes) -> int:
    from elsinore.view.drawing import player

    console = console_of()
    for episode in episodes:
        if not args.step:
            player.show_episode(episode, console, speed=args.speed, every=args.every)
        elif not player.step_through(episode, console):
            return 0
        console.print(
            f"return {episode.about['return']:g} after"
            f" {counted(episode.about['length'], 'step')}:"
            f" {episode.outcome}{_of_checkpoint(episode.about)}",
            markup=False,
            highlight=False,
        )
    return 0


def _of_checkpoint(about: dict) -> str:
    from elsinore.runs.replays.recording import learner_name

    return f" ({learner_name(about)} of {about['checkpoint']})" if about.get("checkpoint") else ""


def console_of():
    """A rich console; `CONSOLE_WIDTH` wide if there is no terminal."""
    from elsinore.runs.plain_console import PlainConsole

    return PlainConsole() if PlainConsole().is_terminal else PlainConsole(width=CONSOLE_WIDTH)


def _human_play(args: argparse.Namespace, settings: dict) -> int:
    from elsinore.view import human_play
    from elsinore.view.play import env_to_play, is_file

    if is_file(args.target):
        raise ConfigError(
            f"--human plays an environment, by its name or a run's, and {args.target} is a file;"
            " give either, or leave out --human to watch what was recorded."
        )
    if args.episodes < 1:
        raise ConfigError(f"episodes={args.episodes} must be at least 1.")
    console = console_of()
    world = human_play.playable(*env_to_play(args.target, settings, args.runs_dir, trust_of(args)))
    for number in range(args.episode, args.episode + args.episodes):
        if not human_play.play_episode(world, number, console, console.input):
            return 0
    return 0


def _draw_day(args: argparse.Namespace, episode) -> int:
    from pathlib import Path

    from elsinore.envs.views import view_of

    episode = getattr(episode, "agent_episode", episode)  # of several agents, the selected one
    draw_day = view_of(episode.env).draw_day
    if draw_day is None:
        raise ConfigError(
            f"--day {args.day} needs an environment that draws days (Hamlet does);"
            f" {episode.about['env']} does not."
        )
    day = draw_day(Path(args.day), episode)
    say(f"{args.day}: {counted(len(day.used), 'step')}, return {episode.about['return']:g}")
    return 0


def _write_films(args: argparse.Namespace, episodes) -> int:
    from pathlib import Path

    from elsinore.view.drawing.film import check_film, write_film
    from elsinore.view.drawing.palette import DARK, LIGHT

    paths = [Path(name) for name in (args.gif, args.mp4) if name]
    for path in paths:
        check_film(path)
    episodes = list(episodes)
    of = _of_checkpoint(episodes[0].about)
    for path in paths:
        frames = write_film(path, episodes, args.speed, LIGHT if args.light else DARK)
        say(f"{path}: {counted(frames, 'frame')}, {path.stat().st_size / 2**20:.1f} MiB{of}")
    return 0
