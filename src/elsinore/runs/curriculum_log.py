"""A run's curriculum stages as rows of metrics, as events, and in summary.json."""

from typing import Any

import numpy as np

from elsinore.config.plan import Plan
from elsinore.errors import counted
from elsinore.runs.members import learner_names
from elsinore.runs.records import Row, RunEvent
from elsinore.training.chunk import ChunkReport
from elsinore.training.curriculum.with_curriculum import MAX_STAGE_CHANGES

STAGE_METRIC = "curriculum/stage"


def stage_changes(report: ChunkReport, seed: int) -> list[tuple[int, int]]:
    """(update, new stage) of one seed's first `MAX_STAGE_CHANGES` stage changes in a chunk."""
    moves = report.stage_changes
    if not moves:
        return []
    num = min(int(moves.num[seed]), MAX_STAGE_CHANGES)
    return list(
        zip(moves.update[seed, :num].tolist(), moves.stage[seed, :num].tolist(), strict=True)
    )


def stage_rows(report: ChunkReport, i: int, seed: int, ends: list[int]) -> list[Row]:
    """The stage at the end of each row of metrics, and after each update that changed it.

    After `MAX_STAGE_CHANGES` changes in a chunk only its last stage is known.
    """
    if not report.stage_changes:
        return []
    stages, moves = {}, stage_changes(report, i)
    for end in ends:
        stages[end] = [
            int(report.stage_changes.first[i]),
            *(stage for update, stage in moves if update <= end),
        ][-1]
    stages |= dict(moves) | {ends[-1]: int(report.stage_changes.last[i])}
    return [
        Row(update, seed, "", STAGE_METRIC, float(stage))
        for update, stage in sorted(stages.items())
    ]


def events_of(report: ChunkReport, plan: Plan) -> tuple[RunEvent, ...]:
    """An event for every change of stage in a chunk."""
    return tuple(
        event for i in np.flatnonzero(report.learning) for event in _events(report, plan, int(i))
    )


def _events(report: ChunkReport, plan: Plan, i: int) -> list[RunEvent]:
    changes, events, moves = report.stage_changes, [], stage_changes(report, i)
    if not changes or not moves:
        return events
    learner = learner_names(plan.experiment)[i]
    stage = int(changes.first[i])
    for update, to in moves:
        text = (
            f"{learner} moves {'up' if to > stage else 'back'} from {stage_label(plan, stage)} to"
            f" {stage_label(plan, to)} after update {update}"
            f" ({update * plan.steps_per_update:,} env steps)"
        )
        events.append(RunEvent(update, "promotion" if to > stage else "retreat", text))
        stage = to
    if more := int(changes.num[i]) - len(moves):
        text = f"{learner} changes stage {counted(more, 'time')} more in this chunk"
        events.append(RunEvent(int(report.update[i]), "retreat", text))
    return events


def stage_label(plan: Plan, stage: int) -> str:
    """The number of a stage, and its name if it has one."""
    name = stage_names(plan, stage + 1)[stage]
    return f"stage {stage}" + (f" ({name})" if name != str(stage) else "")


def stage_names(plan: Plan, count: int) -> list[str]:
    """The name of each stage; its number for a curriculum that was given as an object."""
    config = plan.experiment.curriculum
    return (
        [stage.name for stage in config.all_stages]
        if config is not None
        else [str(i) for i in range(count)]
    )


def curriculum_summary(plan: Plan, rows: list[Row]) -> dict[str, Any]:
    """The section `curriculum` of summary.json: each replica's stages, and when each began."""
    if not rows:
        return {}
    names = stage_names(plan, 1 + max(int(row.value) for row in rows))
    histories = []
    for seed in plan.experiment.replica_seeds:
        stage, history = 0, [{"env_steps": 0, "stage": names[0]}]
        for row in rows:
            if row.seed == seed and int(row.value) != stage:
                stage = int(row.value)
                steps = row.update * plan.steps_per_update
                history.append({"env_steps": steps, "stage": names[stage]})
        histories.append(history)
    last = [history[-1]["stage"] for history in histories]
    return {"curriculum": {"stages": names, "course": histories, "last": last}}
