"""`elsinore train`: train an agent, or resume a run."""

import argparse
import os
import sys
from pathlib import Path

from elsinore.cli.arguments import EXIT_INTERRUPTED, trust_of
from elsinore.cli.doctor import findings_line
from elsinore.cli.run_report import run_report
from elsinore.cli.streams import forgive_stdout, say
from elsinore.cli.train_arguments import add_train_arguments
from elsinore.errors import ConfigError, quoted


def add(commands) -> None:
    train = commands.add_parser(
        "train",
        help="train an agent, or resume a run",
        description="Train an agent in ENV; checkpoints, metrics and plots go to RUNS_DIR/NAME.",
    )
    train.set_defaults(function=train_command)
    add_train_arguments(train)


def train_command(args: argparse.Namespace) -> int:
    if args.distributed:
        _join(args.distributed)
    profile = _started_profile(args.profile) if args.profile else None
    from elsinore.config.yaml_files import parse_set

    _check_resume(args)
    _check_grace(args)
    overrides = parse_set(args.assignments)
    if args.plan:
        return _print_plan(args, overrides)
    forgive_stdout()
    first = _is_first(args)
    page = _start_page(args, overrides) if first and args.watch else None
    try:
        run = _train_or_resume(args, overrides)
    except ConfigError:
        if page is not None:  # there is nothing to watch
            page.terminate()
        raise
    if first:
        say(run_report(run))
    if first and (line := findings_line(run)):
        say(line)
    if profile is not None:
        profile.switch("exit")
    if run.summary["stopped_by"] == "interrupted":
        if first:
            resume = f"elsinore train --resume {quoted(run.path)}"
            say(f"interrupted; resume with:\n  {resume}", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _join(place: str) -> None:
    """Join the other processes before anything starts JAX's devices."""
    from elsinore.jaxtools import processes

    try:
        processes.join(place)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(str(error)) from error


def _is_first(args: argparse.Namespace) -> bool:
    """True in the process that reports the run."""
    if not args.distributed:
        return True
    from elsinore.jaxtools import processes

    return processes.is_first()


def _started_profile(kind: str):
    """A profile of this process, which imports what training needs."""
    from elsinore.runs.profile import phase, start_profile

    profile = start_profile(traces=kind == "trace")
    with phase("import"):
        import elsinore.runs.api  # noqa: F401

        profile.listen()
    profile.switch("plan")
    return profile


def _check_resume(args: argparse.Namespace) -> None:
    """Refuse settings beside --resume.

    Raises:
        ConfigError: naming the first.
    """
    from elsinore.config.yaml_files import parse_set
    from elsinore.runs.lineage.go_on import refuse_without_name
    from elsinore.runs.lineage.lengthen import budgets_in, refuse_other_settings

    if args.go_on and args.resume is None:
        refuse_without_name(args.name)
    if args.resume is not None:
        names = ("env", "algo", "config", "seed", "seeds", "name", "from_run")
        given = [name for name in names if getattr(args, name) is not None]
        given = ["--from" if name == "from_run" else name for name in given]
        others = {
            "--from-parts": args.from_parts != "policy",
            "--from-leave": bool(args.from_leave),
            "--from-seed": args.from_seed is not None,
            "--no-check": args.no_check,
            "--go-on": args.go_on,
        }
        given += [name for name, is_given in others.items() if is_given]
        given += budgets_in(parse_set(args.assignments))
        refuse_other_settings(_run_to_resume(args), given)


def _run_to_resume(args: argparse.Namespace) -> str:
    """The run as a command finds it without --runs-dir."""
    inside = os.path.join(args.runs_dir, args.resume)
    there, here = (os.path.isfile(os.path.join(x, "config.yaml")) for x in (inside, args.resume))
    return inside if there and not here else args.resume


def _check_grace(args: argparse.Namespace) -> None:
    from elsinore.runs.signals import GRACE

    args.grace = GRACE if args.grace is None else args.grace
    if not args.grace >= 0:
        raise ConfigError(f"--grace {args.grace:g} must be at least 0 seconds.")


def _train_or_resume(args: argparse.Namespace, overrides: dict):
    from elsinore.runs import api

    rest = {
        "runs_dir": args.runs_dir,
        "fall_back": args.fall_back,
        "accept_versions": args.accept_versions,
        "trust": trust_of(args),
        "accept_layout": args.accept_layout,
        "grace": args.grace,
        "distributed": args.distributed or False,
    }
    if args.resume is not None:
        return api.resume(args.resume, **_budget_of(overrides), **rest)
    return api.train(
        args.env,
        args.algo,
        config=args.config,
        overrides=overrides,
        seeds=args.seeds,
        seed=args.seed,
        from_run=args.from_run,
        from_parts=args.from_parts,
        from_leave=args.from_leave,
        from_seed=args.from_seed,
        name=args.name,
        go_on=args.go_on,
        check=not args.no_check,
        **rest,
    )


def _budget_of(overrides: dict) -> dict:
    """The budget as `elsinore.resume` takes it."""
    from elsinore.runs.lineage.lengthen import budgets_in

    budgets = budgets_in(overrides)
    return {
        "env_steps": budgets.pop("env_steps", None),
        "stop": {name.removeprefix("stop."): value for name, value in budgets.items()},
    }


def _described(args: argparse.Namespace, overrides: dict):
    """The experiment of the arguments, and its environment."""
    from elsinore.runs.call import resolve_experiment
    from elsinore.runs.lineage.source import start_settings

    start = start_settings(args.from_run, args.from_parts, args.from_leave, args.from_seed)
    settings = {
        "config": args.config,
        "overrides": start | overrides,
        "runs_dir": args.runs_dir,
        "goes_on": args.name if args.go_on else None,
        "trust": trust_of(args),
        "seeds": args.seeds,
        "seed": args.seed,
    }
    return resolve_experiment(args.env, args.algo, **settings)


def _start_page(args: argparse.Namespace, overrides: dict):
    """Start the live page of the run that is about to train, as a process that waits for it; fixes
    the run's name."""
    from elsinore.config.extras import require

    require("watch", "--watch", "leave it out")
    from elsinore.page.server import start_beside
    from elsinore.runs.run_dir import RunDir, check_folder_name, free_name

    runs_dir = Path(args.runs_dir)
    if args.resume is not None:
        folder = RunDir.open(args.resume, runs_dir)
    else:
        experiment, _ = _described(args, overrides)
        args.name = free_name(runs_dir, experiment) if args.name is None else args.name
        folder = RunDir(runs_dir / check_folder_name(args.name))
    return None if folder.is_locked() else start_beside(folder.path)  # else it is refused


def _print_plan(args: argparse.Namespace, overrides: dict) -> int:
    from elsinore.config.plan import plan_for
    from elsinore.config.plan_lines import plan_lines
    from elsinore.runs.lineage.lengthen import budgets_in, lengthened
    from elsinore.runs.lineage.start import check_start
    from elsinore.runs.preparation import prepare
    from elsinore.runs.run_dir import RunDir

    prepare()
    if args.resume is not None:
        folder = RunDir.open(args.resume, Path(args.runs_dir))
        experiment = folder.experiment(trust_of(args))
        if budget := budgets_in(overrides):
            experiment = lengthened(folder, experiment, budget)
        plan = plan_for(experiment)
    else:
        plan = plan_for(*_described(args, overrides))
        if not (args.go_on and (Path(args.runs_dir) / args.name / "config.yaml").is_file()):
            check_start(plan)
    say("\n".join(plan_lines(plan)))
    plan.memory.refuse_what_does_not_fit()
    return 0
