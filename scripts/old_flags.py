"""`scripts/train.py`: `elsinore train` with the flags of the old DQN trainer as aliases.

    --agent-type dqn|double_dqn   --algo dqn --set algo.double=false|true
    -e, --episodes N              --set stop.episodes=N: at least so many finished episodes
    --eval-episodes N             --set evaluation.episodes=N --set evaluation.final_episodes=N
    -o, --output DIR              --runs-dir and --name in one
    --wandb                       --set sinks.wandb.enabled=true
    --resume RUN                  also accepts the directory of the run's newest checkpoint, or of
                                  its latest ones; with --episodes N the run trains longer
    --eval-only                   `elsinore evaluate` of --checkpoint (a run or a checkpoint)

That trainer had one environment and one algorithm: without an environment or a config, each of the
first five flags selects dqn on Cache-api. Contradictory flags are refused.
"""

import argparse
import json
from pathlib import Path

from elsinore.cli import evaluate, train
from elsinore.cli.parser import Parser
from elsinore.cli.train_arguments import add_train_arguments

AGENTS = {"dqn": False, "double_dqn": True}  # algo.double
# flags that define a new run
NEW_RUN_FLAGS = ("agent_type", "episodes", "eval_episodes", "output", "wandb")
TRAINING_FLAGS = (
    "algo",
    "seed",
    "seeds",
    "name",
    "plan",
    "watch",
    "assignments",
    "episodes",
    "output",
    "wandb",
)


def parser() -> argparse.ArgumentParser:
    """The arguments of `elsinore train` and of the old trainer."""
    script = Parser(
        prog="train.py",
        description="`elsinore train` with the flags of the old DQN trainer as aliases.",
    )
    script.set_defaults(function=script_command)
    add_train_arguments(script)
    old = script.add_argument_group("flags of the old DQN trainer")
    old.add_argument("--agent-type", metavar="NAME", help="algorithm: dqn or double_dqn")
    old.add_argument(
        "-e",
        "--episodes",
        type=int,
        metavar="N",
        help="training budget in finished episodes",
    )
    old.add_argument("--eval-episodes", type=int, metavar="N", help="episodes of every evaluation")
    old.add_argument("-o", "--output", metavar="DIR", help="directory of the run")
    old.add_argument(
        "--wandb", action="store_true", default=None, help="log to Weights & Biases too"
    )
    old.add_argument(
        "--eval-only", action="store_true", help="evaluate --checkpoint without training"
    )
    old.add_argument(
        "--checkpoint",
        metavar="PATH",
        help="run directory, or one of its checkpoints, for --eval-only",
    )
    return script


def script_command(args: argparse.Namespace) -> int:
    """Evaluate, resume or train.

    Raises:
        ConfigError: for contradictory flags or an invalid value.
    """
    if args.eval_only:
        return evaluate.evaluate_command(_evaluation(args))
    _refuse(args, ("checkpoint",), "is for --eval-only; to resume a run give --resume")
    if args.resume is not None:
        new = [name for name in NEW_RUN_FLAGS if name != "episodes"]
        _refuse(args, new, "cannot be changed when a run is resumed; leave it out")
        _set_episodes(args)
        args.resume = _run_to_resume(args.resume, Path(args.runs_dir))
    else:
        _translate(args)
    return train.train_command(args)


def _evaluation(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments of `elsinore evaluate`; others that are given must agree with the run."""
    from elsinore.runs import api
    from elsinore.runs.call import resolve_experiment

    _refuse(args, TRAINING_FLAGS, "is for training, and --eval-only does not train; leave it out")
    if (args.checkpoint is None) == (args.resume is None):
        raise _error(
            "--eval-only needs one path, by --checkpoint (or --resume): a run directory or one of"
            " its checkpoints."
        )
    run, checkpoint = _run_and_checkpoint(args.checkpoint or args.resume, Path(args.runs_dir))
    trained = api.load(run).experiment
    if args.env is not None or args.config is not None:
        given, _ = resolve_experiment(args.env, config=args.config)
        if given.env != trained.env:
            raise _error(
                f"{run} was trained in {trained.env}, not in {given.env}; leave the environment"
                " out."
            )
    if args.agent_type is not None and _agent(args) != (
        trained.algo.name,
        getattr(trained.algo, "double", None),
    ):
        raise _error(
            f"--agent-type {args.agent_type} is not the algorithm of {run}, which is"
            f" {trained.algo.name}; leave it out."
        )
    episodes = (
        trained.evaluation.final_episodes if args.eval_episodes is None else args.eval_episodes
    )
    return argparse.Namespace(
        run=run,
        checkpoint=checkpoint,
        episodes=episodes,
        sample=False,
        json=False,
        runs_dir=args.runs_dir,
        trust=args.trust,
    )


def _translate(args: argparse.Namespace) -> None:
    """Write the values of the old flags into the arguments of `elsinore train`."""
    if (
        any(getattr(args, name) is not None for name in NEW_RUN_FLAGS)
        and args.env is None
        and args.config is None
    ):
        args.env = "Cache-api"
        args.agent_type = args.agent_type or ("dqn" if args.algo is None else None)
    if args.agent_type is not None:
        if args.algo not in (None, "dqn"):
            raise _error(
                f"--agent-type {args.agent_type} and --algo {args.algo} contradict each other;"
                " leave one out."
            )
        args.algo, double = _agent(args)
        _set(args, "agent_type", {"algo.double": double}, ("algo", "algo.name"))
    if args.output is not None:
        if args.name is not None or args.runs_dir != "runs":
            raise _error(
                f"--output {args.output} is --runs-dir and --name in one; leave out either it or"
                " them."
            )
        output = Path(args.output)
        if output.name in ("", ".."):
            raise _error(
                f"--output {args.output!r} names no new folder; give one, such as results/mine."
            )
        args.runs_dir, args.name = str(output.parent), output.name
    if args.wandb:
        _set(args, "wandb", {"sinks.wandb.enabled": True})
    if args.eval_episodes is not None:
        counts = dict.fromkeys(
            ("evaluation.episodes", "evaluation.final_episodes"), args.eval_episodes
        )
        _set(args, "eval_episodes", counts)
    _set_episodes(args)


def _set_episodes(args: argparse.Namespace) -> None:
    """Write --episodes, the budget of a new run or of one that is resumed, into the settings."""
    if args.episodes is not None:
        if args.episodes < 1:
            raise _error(f"--episodes {args.episodes} must be at least 1.")
        _set(args, "episodes", {"stop.episodes": args.episodes}, ("env_steps",))


def _agent(args: argparse.Namespace) -> tuple[str, bool]:
    """The algorithm that --agent-type names, and its `double`."""
    if args.agent_type not in AGENTS:
        raise _error(
            f"--agent-type {args.agent_type!r} is unknown; choose one of {', '.join(AGENTS)}."
        )
    return "dqn", AGENTS[args.agent_type]


def _set(
    args: argparse.Namespace, flag: str, settings: dict[str, object], also: tuple[str, ...] = ()
) -> None:
    """Add the settings of a flag, unless --set has any of them, or of `also`."""
    given = {text.partition("=")[0].strip() for text in args.assignments}
    for name in (*settings, *also):
        if name in given:
            raise _error(
                f"{_flag(flag)} and --set {name}=... contradict each other; leave one out."
            )
    args.assignments += [f"{name}={json.dumps(value)}" for name, value in settings.items()]


def _run_to_resume(path: str, runs_dir: Path) -> str:
    """The run of a path; a checkpoint is refused unless it is the run's newest."""
    from elsinore.errors import quoted
    from elsinore.runs import api

    run, checkpoint = _run_and_checkpoint(path, runs_dir)
    newest = api.load(run).checkpoint("latest").name if checkpoint else None
    if checkpoint != newest:
        raise _error(
            f"--resume {path} is not the newest checkpoint of {run}, which is {newest}; give"
            f" --resume {quoted(run)}."
        )
    return run


def _run_and_checkpoint(path: str, runs_dir: Path) -> tuple[str, str | None]:
    """The run of a path, and the checkpoint's name in it: None for the run itself. The folder of a
    kind of checkpoints is its newest one."""
    from elsinore.runs.run_dir import RunDir

    checkpoint = Path(path).resolve()
    if checkpoint.parent.name == "checkpoints":
        checkpoint = max(checkpoint.glob("[0-9]" * 10), default=checkpoint)
    if checkpoint.parent.parent.name == "checkpoints" and checkpoint.is_dir():
        run = checkpoint.parents[2]
        return str(RunDir.open(run).path), f"{checkpoint.parent.name}/{checkpoint.name}"
    return str(RunDir.open(path, runs_dir).path), None


def _refuse(args: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    """Raises:
    ConfigError: if any of these flags is given."""
    for name in names:
        if getattr(args, name) not in (None, False, []):
            raise _error(f"{_flag(name)} {why}.")


def _flag(name: str) -> str:
    return "--set" if name == "assignments" else f"--{name.replace('_', '-')}"


def _error(text: str) -> Exception:
    from elsinore.errors import ConfigError

    return ConfigError(text)
