"""The facts of a run that its store repeats, for readers of the store alone."""

import json
from typing import Any

from elsinore.config.plan import Plan


def facts_of_plan(plan: Plan) -> dict[str, Any]:
    """The facts that follow from a run's settings, by their names in `info`."""
    return {
        "steps_per_update": plan.steps_per_update,
        "updates_per_chunk": plan.schedule.updates_per_chunk,
        "updates_per_row": plan.schedule.updates_per_row,
        "env": plan.env_name,
        "algo": plan.experiment.algo.name,
        "first_seed": plan.experiment.seed,
        "seeds": plan.experiment.replicas,
        "num_updates": plan.schedule.num_updates,
        "extra_ends": json.dumps(plan.schedule.extra_ends),
        "begins_from": plan.experiment.start.described if plan.experiment.start else "",
    }
