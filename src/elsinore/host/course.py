"""A run's way through its curriculum: as rows, as events, as lists for summary.json and lines for people."""

from typing import Any

import numpy as np

from elsinore.config.plan import Plan
from elsinore.host.store import Event, Row
from elsinore.training.chunk import ChunkReport
from elsinore.training.curriculum.lessons import MOVES

STAGE = "curriculum/stage"


def moves_of(report: ChunkReport, seed: int) -> list[tuple[int, int]]:
    """(update, stage gone to) of one seed's changes of stage in a chunk, as many as the chunk tells one by one."""
    moves = report.moves
    if not moves:
        return []
    num = min(int(moves.num[seed]), MOVES)
    return list(zip(moves.update[seed, :num].tolist(), moves.stage[seed, :num].tolist(), strict=True))


def stage_rows(report: ChunkReport, i: int, seed: int, ends: list[int]) -> list[Row]:
    """The stage after each row of metrics, and after each update that changed it: the course to the update.

    Where a chunk changed stage more often than it tells, what is known is the stage at its end.
    """
    if not report.moves:
        return []
    stages, moves = {}, moves_of(report, i)
    for end in ends:
        stages[end] = [int(report.moves.first[i]), *(stage for update, stage in moves if update <= end)][-1]
    stages |= dict(moves) | {ends[-1]: int(report.moves.last[i])}
    return [Row(update, seed, "", STAGE, float(stage)) for update, stage in sorted(stages.items())]


def events_of(report: ChunkReport, plan: Plan) -> tuple[Event, ...]:
    """Every change of stage in a chunk, for people."""
    return tuple(event for i in np.flatnonzero(report.learning) for event in _events(report, plan, int(i)))


def _events(report: ChunkReport, plan: Plan, i: int) -> list[Event]:
    events, moves = [], moves_of(report, i)
    whose = "replica" if plan.experiment.vary else "seed"
    stage = int(report.moves.first[i]) if moves else 0
    for update, to in moves:
        text = (
            f"{whose} {plan.experiment.seed + i} goes {'on' if to > stage else 'back'} from {named(plan, stage)} to "
            f"{named(plan, to)} after update {update} ({update * plan.steps_per_update:,} env steps)"
        )
        events.append(Event(update, "promotion" if to > stage else "retreat", text))
        stage = to
    if moves and (more := int(report.moves.num[i]) - len(moves)):
        text = f"{whose} {plan.experiment.seed + i} changes stage {more} times more in this chunk"
        events.append(Event(int(report.update[i]), "retreat", text))
    return events


def named(plan: Plan, stage: int) -> str:
    """A stage for people: its number, and its name where it has another."""
    name = stage_names(plan, stage + 1)[stage]
    return f"stage {stage}" + (f" ({name})" if name != str(stage) else "")


def stage_names(plan: Plan, count: int) -> list[str]:
    """By stage; a curriculum that is an object has numbers only."""
    config = plan.experiment.curriculum
    return [stage.name for stage in config.course] if config is not None else [str(i) for i in range(count)]


def course_summary(plan: Plan, rows: list[Row]) -> dict[str, Any]:
    """For summary.json, from the rows of `curriculum/stage`: each replica's stages, and when each began."""
    if not rows:
        return {}
    names = stage_names(plan, 1 + max(int(row.value) for row in rows))
    courses = []
    for seed in range(plan.experiment.seed, plan.experiment.seed + plan.experiment.replicas):
        stage, course = 0, [{"env_steps": 0, "stage": names[0]}]
        for row in rows:
            if row.seed == seed and int(row.value) != stage:
                stage = int(row.value)
                course.append({"env_steps": row.update * plan.steps_per_update, "stage": names[stage]})
        courses.append(course)
    return {"curriculum": {"stages": names, "course": courses, "last": [course[-1]["stage"] for course in courses]}}
