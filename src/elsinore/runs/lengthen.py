"""Another budget for a run that goes on, finished or not."""

from collections.abc import Iterable
from typing import Any

from elsinore.algos.registry import steps_per_update
from elsinore.config.experiment import Experiment
from elsinore.config.load import with_settings
from elsinore.config.parse import ConfigError
from elsinore.runs import checkpoints
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store import Store
from elsinore.runs.summary import read_summary

REMEDY = (
    "begin a new run with `elsinore train --from {run}`, which takes over what it learnt and may"
    " have settings of its own"
)


def refuse_other_settings(run: str, settings: Iterable[str]) -> None:
    """Refuse names that are no budget's.

    Raises:
        ConfigError: naming the first.
    """
    for name in settings:
        if name != "env_steps":
            raise ConfigError(
                f"--resume keeps the run's own settings, and only env_steps can be changed; {name}"
                f" cannot. Leave it out, or {REMEDY.format(run=run)}."
            )


def with_budget(experiment: Experiment, env_steps: Any) -> Experiment:
    """The experiment with another budget; chunks are as long as before, and also end where the
    old budget ended.

    Raises:
        ConfigError: for no whole number above 0.
    """
    if env_steps == experiment.env_steps:
        return experiment
    earlier = [*experiment.earlier_env_steps, experiment.env_steps]
    return with_settings(experiment, {"env_steps": env_steps, "earlier_env_steps": earlier})


def lengthened(folder: RunDir, experiment: Experiment, env_steps: Any) -> Experiment:
    """The experiment of a run that goes on with another budget; nothing is written.

    Raises:
        ConfigError: for a budget below what is done, a run in which nothing is left to train, or
            one whose selection depends on its length.
    """
    longer = with_budget(experiment, env_steps)
    done, steps = done_updates(folder), _steps_of(experiment)
    if longer.env_steps // steps < done:
        raise ConfigError(
            f"env_steps={env_steps} is below the {done * steps:,} env steps that {folder.path} has"
            " done; give at least as many, or begin a new run from an earlier checkpoint"
            f" (`elsinore checkpoints {folder.path}`) with --from."
        )
    if experiment.population.halving is not None:
        raise ConfigError(
            f"env_steps={env_steps}: population.halving of {folder.path} chose its members by the"
            f" old budget; {REMEDY.format(run=folder.path)}."
        )
    if experiment.stop.episodes is not None or experiment.stop.seconds is not None:
        raise ConfigError(
            f"env_steps={env_steps}: {folder.path} ends by `stop` in its config, not by env steps;"
            f" {REMEDY.format(run=folder.path)}."
        )
    if (how := read_summary(folder.summary).get("stopped_by")) in ("converged", "plateau"):
        raise ConfigError(
            f"env_steps={env_steps}: {folder.path} ended since every seed is frozen ({how}), and"
            f" would train no further; {REMEDY.format(run=folder.path)}, such as"
            " convergence.enabled=false."
        )
    if how not in (None, "budget", "interrupted"):
        raise ConfigError(
            f"env_steps={env_steps}: {folder.path} was ended by {how}, and a resumed run repeats"
            f" that; {REMEDY.format(run=folder.path)}."
        )
    return longer


def done_updates(folder: RunDir) -> int:
    """Updates of the newest checkpoint; 0 before the first."""
    found = checkpoints.list_checkpoints(folder.checkpoints)
    return found[0].update if found else 0


def record_lengthening(folder: RunDir, before: Experiment, after: Experiment) -> list[str]:
    """Write the new budget into the run's config, and an event of it into its store; returns what
    changes, line by line. The old summary goes, its result stays in the event."""
    if after == before:
        return []
    update = done_updates(folder)
    steps = _steps_of(before)
    lines = [f"budget: {before.env_steps:,} -> {after.env_steps:,} env steps a seed"]
    lines += moved_schedules(
        after.algo, update, before.env_steps // steps, after.env_steps // steps
    )
    score = read_summary(folder.summary).get("eval_return", {}).get("iqm")
    result = [] if score is None else [f"final evaluation until now: {score:.6g}"]
    if folder.database.exists():
        store = Store(folder.database)
        store.add_event(update, "lengthened", "; ".join([*lines, *result]))
        store.close()
    folder.summary.unlink(missing_ok=True)  # from here on the run is not finished
    folder.rewrite(after)
    return [*lines, *result]


def moved_schedules(algo: Any, done: int, before: int, after: int) -> list[str]:
    """The schedules that depend on the end of a run, with their values before and after its number
    of updates changed from `before` to `after`."""
    lines = []
    for name, (start, end, share) in schedules_of(algo).items():
        was, now = (
            start + (end - start) * min(done / (updates * share), 1.0)
            for updates in (before, after)
        )
        if done and start != end:
            lines.append(
                f"{name} was {was:.4g}; it goes on at {now:.4g} towards {end:.4g}, as in a run of"
                " the new length"
            )
    return lines


def schedules_of(algo: Any) -> dict[str, tuple[float, float, float]]:
    """Start, end and share of the run of each setting that moves linearly, by its dotted name."""
    found = {}
    for name in [field.removesuffix("_final") for field in vars(algo) if field.endswith("_final")]:
        start, end = getattr(algo, name), getattr(algo, f"{name}_final")
        if name == "epsilon" and getattr(algo, "epsilon_schedule", "linear") == "episodes":
            continue
        if start is not None and end is not None:
            found[f"algo.{name}"] = (start, end, getattr(algo, f"{name}_fraction", 1.0))
    if getattr(algo, "prioritized", False):
        found["algo.priority_beta"] = (algo.priority_beta, 1.0, 1.0)
    return found


def _steps_of(experiment: Experiment) -> int:
    return steps_per_update(experiment.algo) * experiment.agents.number
