"""`scripts/train.py`: `elsinore train`, with the flags of the old DQN trainer as other names for what there is.

    --agent-type dqn|double_dqn   --algo dqn --set algo.double=false|true
    --episodes N                  --set env_steps=N x the world's time limit
    --eval-episodes N             --set evaluation.episodes=N --set evaluation.final_episodes=N
    --output DIR                  --runs-dir and --name in one
    --wandb                       --set sinks.wandb.enabled=true
    --resume RUN                  also by a checkpoint's folder in it
    --eval-only                   `elsinore evaluate`, of --checkpoint (a run's folder, or a checkpoint's in it)

That trainer knew one world and one algorithm: where neither a world nor a config is given, any of the first five
means dqn on Cache-api. Two flags that contradict each other are refused.
"""

import argparse
import json
from pathlib import Path

from elsinore.cli import evaluate, train

AGENTS = {"dqn": False, "double_dqn": True}  # whether algo.double
OLD = ("agent_type", "episodes", "eval_episodes", "output", "wandb")  # what says how a run is to be begun
OF_TRAINING = ("algo", "seed", "seeds", "name", "plan", "watch", "assignments", "episodes", "output", "wandb")


def add(commands) -> None:
    """A command that `elsinore --help` does not list: it is a script's."""
    script = commands.add_parser("train-script", prog="train.py", description=(
        "`elsinore train`, with the flags of the old DQN trainer as other names."))  # fmt: skip
    script.set_defaults(function=script_command)
    train.add_arguments(script)
    old = script.add_argument_group("flags of the old DQN trainer")
    old.add_argument("--agent-type", metavar="NAME", help="dqn or double_dqn")
    old.add_argument("--episodes", type=int, metavar="N", help="the budget, in episodes of the world's time limit")
    old.add_argument("--eval-episodes", type=int, metavar="N", help="of every evaluation")
    old.add_argument("--output", metavar="DIR", help="the run's folder")
    old.add_argument("--wandb", action="store_true", default=None, help="also tell Weights & Biases")
    old.add_argument("--eval-only", action="store_true", help="evaluate --checkpoint; train nothing")
    old.add_argument("--checkpoint", metavar="PATH", help="with --eval-only: a run's folder, or a checkpoint's in it")


def script_command(args: argparse.Namespace) -> int:
    """Raises:
    ConfigError: where two flags contradict each other, or a flag's value will not do."""
    if args.eval_only:
        return evaluate.evaluate_command(_evaluation(args))
    _refuse(args, ("checkpoint",), "names what --eval-only evaluates; to go on with a run say --resume")
    if args.resume is not None:
        _refuse(args, OLD, "cannot be changed in a run that --resume goes on with; leave it out")
        args.resume = _to_go_on_with(args.resume, Path(args.runs_dir))
    else:
        _translate(args)
    return train.train_command(args)


def _evaluation(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments of `elsinore evaluate`; world, config and agent need not be told again, but must agree."""
    from elsinore.host import api

    _refuse(args, OF_TRAINING, "says how to train, and --eval-only trains nothing; leave it out")
    if (args.checkpoint is None) == (args.resume is None):
        raise _error(
            "--eval-only needs one path, by --checkpoint (or --resume): a run's folder, or a checkpoint's in it."
        )
    run, checkpoint = _run_and_checkpoint(args.checkpoint or args.resume, Path(args.runs_dir))
    trained = api.load(run).experiment
    if args.env is not None or args.config is not None:
        said, _ = api.describe(args.env, config=args.config)
        if said.env != trained.env:
            raise _error(f"{run} was trained in {trained.env}, not in {said.env}: its checkpoint is of another world.")
    if args.agent_type is not None and _agent(args) != (trained.algo.name, getattr(trained.algo, "double", None)):
        raise _error(f"--agent-type {args.agent_type} is not what {run} was trained with: {trained.algo.name}.")
    episodes = trained.evaluation.final_episodes if args.eval_episodes is None else args.eval_episodes
    return argparse.Namespace(
        run=run, checkpoint=checkpoint, episodes=episodes, sample=False, json=False, runs_dir=args.runs_dir
    )


def _translate(args: argparse.Namespace) -> None:
    """Put what the old flags say in the place of what it is called now."""
    if any(getattr(args, name) is not None for name in OLD) and args.env is None and args.config is None:
        args.env = "Cache-api"
        args.agent_type = args.agent_type or ("dqn" if args.algo is None else None)
    if args.agent_type is not None:
        if args.algo not in (None, "dqn"):
            raise _error(f"--agent-type {args.agent_type} and --algo {args.algo} contradict each other; leave one out.")
        args.algo, double = _agent(args)
        _set(args, "agent_type", {"algo.double": double}, ("algo", "algo.name"))
    if args.output is not None:
        if args.name is not None or args.runs_dir != "runs":
            raise _error(f"--output {args.output} is --runs-dir and --name in one; leave out either it or them.")
        args.runs_dir, args.name = str(Path(args.output).parent), Path(args.output).name
    if args.wandb:
        _set(args, "wandb", {"sinks.wandb.enabled": True})
    if args.eval_episodes is not None:
        counts = dict.fromkeys(("evaluation.episodes", "evaluation.final_episodes"), args.eval_episodes)
        _set(args, "eval_episodes", counts)
    if args.episodes is not None:
        _set(args, "episodes", {"env_steps": _steps_of(args)})


def _agent(args: argparse.Namespace) -> tuple[str, bool]:
    """The algorithm that --agent-type names, and its `double`."""
    if args.agent_type not in AGENTS:
        raise _error(f"--agent-type {args.agent_type!r} is unknown; choose one of {', '.join(AGENTS)}.")
    return "dqn", AGENTS[args.agent_type]


def _set(args: argparse.Namespace, flag: str, settings: dict[str, object], also: tuple[str, ...] = ()) -> None:
    """Add settings that a flag stands for, unless --set has any of them, or of `also`."""
    said = {text.partition("=")[0].strip() for text in args.assignments}
    for name in (*settings, *also):
        if name in said:
            raise _error(f"{_flag(flag)} and --set {name}=... contradict each other; leave one out.")
    args.assignments += [f"{name}={json.dumps(value)}" for name, value in settings.items()]


def _steps_of(args: argparse.Namespace) -> int:
    """So many episodes of the world's time limit, in env steps."""
    from elsinore import envs
    from elsinore.config.load import parse_set
    from elsinore.host import api

    if args.episodes < 1:
        raise _error(f"--episodes {args.episodes} must be at least 1.")
    experiment, _ = api.describe(args.env, args.algo, config=args.config, overrides=parse_set(args.assignments))
    _, params = envs.make(experiment.env, experiment.env_kwargs, experiment.env_params)
    limit = int(getattr(params, "max_steps_in_episode", 0))
    if not limit:
        raise _error(f"--episodes {args.episodes} cannot be counted in {experiment.env}, which has no time limit; say "
                     "--set env_steps=N.")  # fmt: skip
    return args.episodes * limit


def _to_go_on_with(path: str, runs_dir: Path) -> str:
    """The run's folder of a path into it; a checkpoint that is not its newest is refused."""
    from elsinore.host import api

    run, checkpoint = _run_and_checkpoint(path, runs_dir)
    newest = api.load(run).checkpoint().name if checkpoint != "latest" else checkpoint
    if checkpoint != newest:
        raise _error(f"--resume {path} is not the newest checkpoint of {run}, from which a run goes on: {newest}.")
    return run


def _run_and_checkpoint(path: str, runs_dir: Path) -> tuple[str, str]:
    """The run's folder, and the checkpoint's name in it: `latest` where the path is the run's."""
    from elsinore.host.folder import RunFolder

    checkpoint = Path(path).resolve()
    if checkpoint.parent.parent.name == "checkpoints" and checkpoint.is_dir():
        run = checkpoint.parents[2]
        return str(RunFolder.open(run).path), f"{checkpoint.parent.name}/{checkpoint.name}"
    return str(RunFolder.open(path, runs_dir).path), "latest"


def _refuse(args: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    """Raises:
    ConfigError: where any of these flags is given."""
    for name in names:
        if getattr(args, name) not in (None, False, []):
            raise _error(f"{_flag(name)} {why}.")


def _flag(name: str) -> str:
    return "--set" if name == "assignments" else f"--{name.replace('_', '-')}"


def _error(text: str) -> Exception:
    from elsinore.config.build import ConfigError

    return ConfigError(text)
