"""A run that takes all of another's state and settings, and so continues where the other ended."""

import logging
import shutil
import uuid
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from elsinore.config.experiment import Experiment
from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan
from elsinore.config.start import StartConfig
from elsinore.config.yaml_files import read_yaml
from elsinore.errors import ConfigError, quoted
from elsinore.runs.actions import Action
from elsinore.runs.budgets import BUDGET, Spent
from elsinore.runs.checkpoints import directory as checkpoints
from elsinore.runs.checkpoints.directory import Checkpoint
from elsinore.runs.checkpoints.manifest import config_digest
from elsinore.runs.checkpoints.match import other_layout, other_versions
from elsinore.runs.files.durable import fsync
from elsinore.runs.lineage.lengthen import (
    budget_of,
    refuse_ended,
    refuse_halving,
    unit_of,
    with_chunks_of,
)
from elsinore.runs.lineage.source import (
    Source,
    as_asked,
    parts_option,
    places_asked,
    source_of,
    start_of,
)
from elsinore.runs.run import Run
from elsinore.runs.run_dir import RunDir
from elsinore.runs.store.store import Store, reading, refused_if_broken
from elsinore.runs.summary import read_summary
from elsinore.runs.trust.redaction import redacted

log = logging.getLogger("elsinore")

# settings that do not change what a run computes up to a checkpoint
APART = ("env_steps", "earlier_env_steps", "start", "checkpoints", "replays", "sinks")


def continues(experiment: Experiment) -> bool:
    """True for a run that takes all of another's state and has its settings, so that it continues
    from the other's update, as a resumed run does."""
    start = experiment.start
    if start is None or start.parts != "all" or start.leave or start.seed is not None:
        return False
    return _alike(RunDir.open(start.run).recorded()) == _alike(experiment)


def _alike(experiment: Experiment) -> dict[str, Any]:
    config = redacted(as_dict(experiment)) | {"stop": unit_of(experiment)}
    return {name: value for name, value in config.items() if name not in APART}


def with_source(
    experiment: Experiment, runs_dir: Path, env: Any = None, begun: Sequence[Path] = ()
) -> Experiment:
    """The experiment with the run and the checkpoint that it begins from by their full names; one
    that continues where the other ended has its chunks.

    `begun` are configs of earlier runs. The checkpoint is that of the first of them that began from
    what is asked for here: meanwhile another one may be the best, or the latest.

    Raises:
        ConfigError: if the run or the checkpoint is gone, and no config of `begun` has it.
    """
    start = experiment.start
    if start is None:
        return experiment
    try:
        start = as_asked(start, runs_dir)
    except ConfigError:
        if (then := _with_gone_source(experiment, runs_dir, begun)) is not None:
            return then
        raise
    name = _checkpoint_of(begun, start)
    name = name or Run(RunDir(Path(start.run))).checkpoint(start.checkpoint).name
    experiment = replace(experiment, start=replace(start, checkpoint=name))
    if not continues(experiment):
        return experiment
    longer = with_chunks_of(RunDir.open(start.run).recorded(), budget_of(experiment), env)
    return replace(experiment, earlier_env_steps=longer.earlier_env_steps)


def _with_gone_source(
    experiment: Experiment, runs_dir: Path, begun: Sequence[Path]
) -> Experiment | None:
    """`with_source` of a run that is gone, as the first of these configs that began from it has
    it."""
    for asked in places_asked(start_of(experiment), runs_dir):
        for config in begun:
            if (name := _checkpoint_of([config], asked)) is not None:
                earlier = tuple(read_yaml(config).get("earlier_env_steps") or ())
                start = replace(asked, checkpoint=name)
                return replace(experiment, start=start, earlier_env_steps=earlier)
    return None


def _checkpoint_of(begun: Iterable[Path], asked: StartConfig) -> str | None:
    """The checkpoint that the first of these configs which began from what is asked for names."""
    for config in begun:
        then = read_yaml(config).get("start") or {}
        name = then.get("checkpoint")
        if then.get("run") == asked.run and name is not None and _is_asked_for(name, asked):
            return name
    return None


def _is_asked_for(name: str, asked: StartConfig) -> bool:
    """True for the checkpoint that is asked for by its name, or one of the kind that is."""
    kind, _, update = name.partition("/")
    which, source = asked.checkpoint, RunDir(Path(asked.run))
    if which is None:
        try:
            which = "best" if Run(source).checkpoint().kind == "best" else "latest"
        except ConfigError:  # gone, or without checkpoints: the default of then
            return True
    return which in (name, kind, update) or (which, kind) == ("latest", "emergency")


def check_continuation(plan: Plan, source: Source) -> None:
    """Raises:
    ConfigError: for a budget below what is done, or another one where a resumed run could not have
        it; or metrics that are needed and missing.
    """
    if differing := other_versions(source.checkpoint, plan.experiment):
        log.warning(
            "%s was made with other versions (then, now: %s); this run may differ from that one"
            " resumed",
            source.name,
            "; ".join(differing),
        )
    if differs := other_layout(source.checkpoint, plan):
        log.warning(
            "%s was made with another layout: %s; this run differs by rounding from that one"
            " resumed",
            source.name,
            differs,
        )
    update = source.checkpoint.update
    ((unit, value),) = budget_of(plan.experiment).items()
    anew = f"or {parts_option('learner')}, which begins anew"
    if update > plan.schedule.num_updates:
        most = "is" if unit == "env_steps" else f"is at most {plan.env_steps:,} env steps,"
        raise ConfigError(
            f"{unit}={value} {most} below the"
            f" {update * plan.steps_per_update:,} env steps of {source.name}, which"
            f" from_parts='all' continues; give more, {anew}."
        )
    covered, spent = 0, None
    if source.folder.database.exists():
        with reading(source.folder.database) as store:
            covered, spent = store.covered(), Spent(store, update)
    if covered < update:
        raise ConfigError(
            f"--from {source.name} (in Python, from_run): its metrics.sqlite holds the chunks"
            f" up to update {covered} only; restore it with `elsinore repair"
            f" {quoted(source.folder.path)}`, or take {parts_option('learner')}."
        )
    if budget_of(source.experiment) != {unit: value}:
        refuse_halving(source.experiment, source.folder, f"{unit}={value}")
        if update == read_summary(source.folder.summary).get("updates"):
            refuse_ended(source.folder, f"{unit}={value}")
    stop = plan.experiment.stop
    if stop != source.experiment.stop and spent is not None and spent.reaches(stop):
        raise ConfigError(
            f"{unit}={value} is not above the {spent.in_words(stop)} of {source.name}, which"
            f" from_parts='all' continues; give more, {anew}."
        )


def adopted(folder: RunDir, plan: Plan) -> Checkpoint | None:
    """The checkpoint that a new run continues from, copied into it with the metrics up to it and
    the best checkpoints so far; None for a run that begins at its own first update."""
    experiment = plan.experiment
    if not continues(experiment):
        return None
    source = source_of(start_of(experiment))
    update, run_id = source.checkpoint.update, uuid.uuid4().hex
    with (
        refused_if_broken(folder.database),
        reading(source.folder.database) as old,
        closing(Store(folder.database)) as new,
    ):
        old.copy_to(new)
        # another budget has other ends, and callbacks may decide by them
        other_budget = budget_of(experiment) != budget_of(source.experiment)
        new.forget_after(update, actions=other_budget)
        if other_budget:
            new.forget_action(Action("stop", BUDGET).text)
        new.describe(run_id=run_id)
        new.add_event(update, "from", f"continues {source.name}, as that run resumed would")
    facts = {
        "run_id": run_id,
        "config": redacted(as_dict(experiment)),
        "config_sha256": config_digest(experiment),
        "layout": plan.layout.described(),
    }
    # all at once: a run resumed from a best one would train up to `update` by its own budget
    unfinished = folder.path / ".checkpoints.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    begun = any(folder.checkpoints.glob("*"))  # what is left of a run that begins anew stays
    copies = folder.checkpoints if begun else unfinished
    for best in reversed(checkpoints.list_checkpoints(source.folder.checkpoints, ("best",))):
        if best.update <= update and checkpoints.is_whole(best):
            checkpoints.adopt(best, copies, "best", facts)
    checkpoints.adopt(source.checkpoint, copies, "latest", facts)
    if not begun:
        unfinished.rename(folder.checkpoints)
        fsync(folder.path)
    return checkpoints.list_checkpoints(folder.checkpoints, ("latest",))[0]
