"""Another budget for a run, finished or not."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from operator import attrgetter
from typing import Any

from elsinore.algos.registry import steps_per_update
from elsinore.config.experiment import Experiment
from elsinore.config.load import with_settings
from elsinore.config.plan import plan_for
from elsinore.config.units import BUDGETS, COUNTED_BY_A_RUN
from elsinore.errors import ConfigError, quoted
from elsinore.runs.actions import Action
from elsinore.runs.budgets import BUDGET, Spent
from elsinore.runs.checkpoints import choice as checkpoint_choice
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.lineage.moved_schedules import moved_schedules, schedules_in
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store, reading, refused_if_broken
from elsinore.runs.summary import final_return, read_summary

REMEDY = (
    "begin a new run with `elsinore train --from {run}` (in Python, from_run), which takes"
    " over what it learnt and may have settings of its own"
)

IN_WORDS = {
    "stop.episodes": "episodes of each seed",
    "stop.seconds": "s of training",
    "env_steps": "env steps a seed",
}


def budgets_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with those of a mapping `stop` by their dotted names."""
    stop = settings.get("stop")
    if not isinstance(stop, Mapping):
        return dict(settings)
    rest = {name: value for name, value in settings.items() if name != "stop"}
    return rest | {f"stop.{name}": value for name, value in stop.items()}


def refuse_other_settings(run: str, settings: Iterable[str]) -> None:
    """Refuse names that are no budget's.

    Raises:
        ConfigError: naming the first.
    """
    for name in settings:
        if name not in BUDGETS:
            raise ConfigError(
                "a resumed run keeps its own settings, and only its budget can be changed;"
                f" {name} cannot. Leave it out, or {REMEDY.format(run=quoted(run))}."
            )


def with_budget(experiment: Experiment, budget: Mapping[str, Any], bound: int = 0) -> Experiment:
    """The experiment with another budget; chunks are as long as before, and also end where the
    old budget in env steps ended.

    Args:
        budget: one of `BUDGETS`, in the unit of the experiment's own.
        bound: the env steps that the old budget takes at most, if it is no number of env steps.

    Raises:
        ConfigError: for another unit, or no whole number above 0.
    """
    if len(budget) != 1:
        given = " and ".join(f"{name}={value}" for name, value in budget.items())
        raise ConfigError(f"{given} are a budget in two units; give one of them.")
    ((name, value),) = budget.items()
    unit = unit_of(experiment)
    if name != unit and {name, unit} & {*COUNTED_BY_A_RUN}:
        raise ConfigError(
            f"{name}={value} is no budget of this run, which ends by"
            f" {unit}={_value(experiment, unit)}; give another {unit}."
        )
    longer = with_settings(experiment, {name: value})
    if _value(longer, unit) == _value(experiment, unit):
        return experiment
    earlier = [*experiment.earlier_env_steps, bound or experiment.env_steps]
    return with_settings(longer, {"earlier_env_steps": earlier})


def with_chunks_of(
    experiment: Experiment, budget: Mapping[str, Any], env: Any = None
) -> Experiment:
    """The experiment `with_budget`, whose chunks are those of the old budget in any unit."""
    by_episodes = experiment.stop.episodes is not None
    bound = _updates(experiment, env) * _steps_of(experiment) if by_episodes else 0
    return with_budget(experiment, budget, bound)


def budget_of(experiment: Experiment) -> dict[str, Any]:
    """The budget by which an experiment ends, in its unit."""
    unit = unit_of(experiment)
    return {unit: _value(experiment, unit)}


def unit_of(experiment: Experiment) -> str:
    """The name of the budget by which an experiment ends."""
    unit = experiment.stop.unit
    return f"stop.{unit}" if unit else "env_steps"


def _value(experiment: Experiment, name: str) -> Any:
    return attrgetter(name)(experiment)


def lengthened(
    folder: RunDir, experiment: Experiment, budget: Mapping[str, Any], env: Any = None
) -> Experiment:
    """The experiment of a run with another budget; nothing is written.

    Raises:
        ConfigError: for a budget below what is done, a run in which nothing is left to train, or
            one whose selection depends on its length.
    """
    longer = with_chunks_of(experiment, budget, env)
    if longer == experiment:
        return experiment
    name = unit_of(experiment)
    value = _value(longer, name)
    refuse_halving(experiment, folder, f"{name}={value}")
    refuse_ended(folder, f"{name}={value}")
    _refuse_what_is_done(folder, longer, name)
    return longer


def refuse_halving(experiment: Experiment, folder: RunDir, budget: str) -> None:
    """Refuse another budget for a run whose selection depends on its length.

    Raises:
        ConfigError: with a remedy.
    """
    if experiment.population.halving is not None:
        raise ConfigError(
            f"{budget}: population.halving of {folder.path} chose its members by the"
            f" old budget; {REMEDY.format(run=quoted(folder.path))}."
        )


def refuse_ended(folder: RunDir, budget: str) -> None:
    """Refuse another budget for a run that did not end by its own and would end there again.

    Raises:
        ConfigError: with the reason why it ended, and a remedy.
    """
    how = read_summary(folder.summary).get("stopped_by")
    if how in ("converged", "plateau"):
        raise ConfigError(
            f"{budget}: {folder.path} ended since every seed is frozen ({how}), and"
            f" would train no further; {REMEDY.format(run=quoted(folder.path))}, such as"
            " convergence.enabled=false."
        )
    if how == "diverged":
        doctor = f" (`elsinore doctor {quoted(folder.path)}` says whether rewards were the cause)"
        doctor = "" if folder.recorded().vary else doctor  # it refuses a population
        raise ConfigError(
            f"{budget}: {folder.path} ended since no seed has finite parameters ({how}); train it"
            f" again with a lower algo.learning_rate{doctor}, or begin a new run from an earlier"
            " checkpoint"
            f" (`elsinore checkpoints {quoted(folder.path)}`) with --from (in Python, from_run)."
        )
    if how not in (None, BUDGET, "interrupted"):
        raise ConfigError(
            f"{budget}: {folder.path} was ended by {how}, and a resumed run repeats"
            f" that; {REMEDY.format(run=quoted(folder.path))}."
        )


def _refuse_what_is_done(folder: RunDir, longer: Experiment, name: str) -> None:
    """Refuse a budget that leaves nothing to train."""
    done, steps = done_updates(folder), _steps_of(longer)
    reached = f"the {done * steps:,} env steps that {folder.path} has done"
    remedy = (
        "or begin a new run from an earlier checkpoint"
        f" (`elsinore checkpoints {quoted(folder.path)}`) with --from (in Python, from_run)."
    )
    value = _value(longer, name)
    if name == "env_steps":
        if longer.env_steps // steps < done:
            raise ConfigError(
                f"env_steps={value} is below {reached}; give at least as many, {remedy}"
            )
        return
    spent = _spent(folder)
    if spent is not None and spent.reaches(longer.stop):
        raise ConfigError(
            f"{name}={value} is not above the {spent.in_words(longer.stop)} that {folder.path} has"
            f" done; give more, {remedy}"
        )
    if name == "stop.seconds" and longer.env_steps // steps <= done:
        raise ConfigError(
            f"stop.seconds={value}: {folder.path} ended by env_steps={longer.env_steps}, the most"
            f" of a run with stop.seconds; {REMEDY.format(run=quoted(folder.path))}."
        )


def _spent(folder: RunDir) -> Spent | None:
    if not folder.database.exists():
        return None
    with reading(folder.database) as store:
        return Spent(store)


def done_updates(folder: RunDir) -> int:
    """Updates of the newest checkpoint that the run can continue from; 0 before the first."""
    found = checkpoint_choice.resumable(folder.checkpoints)
    return found[0].update if found else 0


def record_lengthening(
    folder: RunDir,
    before: Experiment,
    after: Experiment,
    checkpoint: Checkpoint | None,
    env: Any = None,
) -> list[str]:
    """Write the new budget into the run's config, and an event of it into its store; returns what
    changes, line by line. The old summary goes, its result stays in the event. After a kill in
    between the same call completes what is missing.

    Args:
        checkpoint: the one from which the run continues; None where there is none yet.
    """
    if after == before:
        return []
    unit = unit_of(before)
    was, now = _value(before, unit), _value(after, unit)
    lines = [f"budget: {was:,} -> {now:,} {IN_WORDS[unit]}"]
    if checkpoint is not None:
        schedules = schedules_in(checkpoint, after)
        updates = _updates(before, env), _updates(after, env)
        lines += moved_schedules(schedules, checkpoint.update, *updates)
    summary = read_summary(folder.summary)
    score = final_return(summary, "mean")
    whose = " of the best member" if "best_member" in summary else ""
    until_now = f"final evaluation until now: mean return{whose}"
    result = [] if score is None else [f"{until_now} {score:.6g}"]
    if folder.database.exists():
        with refused_if_broken(folder.database), closing(Store(folder.database)) as store:
            update = 0 if checkpoint is None else checkpoint.update
            if store.newest_event("lengthened", update).partition("; ")[0] != lines[0]:
                store.add_event(update, "lengthened", "; ".join([*lines, *result]))
            store.forget_action(Action("stop", BUDGET).text)
    folder.summary.unlink(missing_ok=True)  # from here on the run is not finished
    folder.rewrite(after)
    return [*lines, *result]


def _updates(experiment: Experiment, env: Any) -> int:
    """The updates of a run at most."""
    if experiment.stop.episodes is None:
        return experiment.env_steps // _steps_of(experiment)
    return plan_for(experiment, env).schedule.num_updates


def _steps_of(experiment: Experiment) -> int:
    return steps_per_update(experiment.algo) * experiment.agents.number
