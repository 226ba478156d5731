"""The facts of a run that its store repeats, for readers of the store alone."""

import json
from collections.abc import Mapping
from typing import Any

from elsinore.algos.registry import steps_per_update
from elsinore.config.experiment import Experiment
from elsinore.config.plan import Plan
from elsinore.config.schedule import schedule_for
from elsinore.runs.members import member_names
from elsinore.training.schedule import Schedule

COUNTS = ("steps_per_update", "updates_per_chunk", "updates_per_row", "num_updates")
POSITIONS = ("asked_until", "last_event")
TEXTS = ("run_id", "sinks_done", "ended")
MOST = 2**53  # of a count: a float has it exactly


def facts_of_plan(plan: Plan) -> dict[str, Any]:
    """The facts that follow from a run's settings, by their names in `info`."""
    return _facts(plan.experiment, plan.schedule, plan.steps_per_update)


def facts_of_settings(experiment: Experiment) -> dict[str, Any]:
    """`facts_of_plan` of a run whose environment is not there. Its budget is not in episodes, whose
    length the environment knows."""
    steps = steps_per_update(experiment.algo) * experiment.agents.number
    return _facts(experiment, schedule_for(experiment), steps)


def _facts(experiment: Experiment, schedule: Schedule, steps: int) -> dict[str, Any]:
    return {
        "steps_per_update": steps,
        "updates_per_chunk": schedule.updates_per_chunk,
        "updates_per_row": schedule.updates_per_row,
        "env": experiment.env,
        "algo": experiment.algorithms,
        "first_seed": experiment.seed,
        "seeds": experiment.replicas,
        "members": json.dumps(member_names(experiment) if experiment.vary else []),
        "mode": experiment.population.mode,
        "num_updates": schedule.num_updates,
        "stop_episodes": experiment.stop.episodes,
        "stop_seconds": experiment.stop.seconds,
        "extra_ends": json.dumps(schedule.extra_ends),
        "begins_from": experiment.start.described if experiment.start else "",
    }


def schedule_in(info: Mapping[str, Any]) -> Schedule:
    """The division into chunks that the facts of a store tell."""
    return Schedule(
        info["num_updates"],
        info["updates_per_chunk"],
        info.get("updates_per_row", 1),
        tuple(json.loads(info.get("extra_ends", "[]"))),
    )


def unusable_fact(info: Mapping[str, Any]) -> str | None:
    """The name of a fact that no elsinore has written so; None where all can be used."""

    def is_number(x: Any, least: int) -> bool:
        return isinstance(x, int) and least <= x <= MOST

    return next(
        (
            name
            for name, x in info.items()
            if (name in COUNTS and not is_number(x, 1))
            or (name in POSITIONS and not is_number(x, 0))
            or (name in TEXTS and not isinstance(x, str))
            or (name == "extra_ends" and not _are_ends(x))
        ),
        None,
    )


def _are_ends(text: Any) -> bool:
    """True for updates in ascending order, as JSON."""
    try:
        ends = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return False
    whole = isinstance(ends, list) and all(type(end) is int and end > 0 for end in ends)
    return whole and ends == sorted(set(ends))
