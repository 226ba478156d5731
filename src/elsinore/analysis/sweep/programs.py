"""Cache of compiled programs for runs that differ only in traced settings."""

import json
import logging
from collections import OrderedDict
from typing import Any

from elsinore.config.mappings import dotted
from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan
from elsinore.config.population import members_of
from elsinore.runs.programs import Compiled, compile_run, with_initial_states_of
from elsinore.training.layout import Layout

log = logging.getLogger("elsinore")


class ProgramCache:
    """`compile_run` with a least-recently-used cache by `signature`."""

    def __init__(self, capacity: int = 8):
        self._known: OrderedDict[str, Compiled] = OrderedDict()
        self._capacity = capacity

    def __call__(self, plan: Plan, layout: Layout) -> Compiled:
        key = signature(plan, layout)
        if key in self._known:
            self._known.move_to_end(key)
            return with_initial_states_of(plan, layout, self._known[key]._replace(seconds=0.0))
        compiled = self._known[key] = compile_run(plan, layout)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return compiled


def signature(plan: Plan, layout: Layout) -> str:
    """All that determines a run's programs: its config without traced values and host settings."""
    data: dict[str, Any] = as_dict(members_of(plan.experiment)[0])
    traced = {name.removeprefix("algo.") for name in plan.experiment.vary}
    data["algo"] = {name: x for name, x in dotted(data["algo"]).items() if name not in traced}
    for name in ("seed", "vary", "checkpoints", "sinks"):
        data.pop(name)
    data["population"] = as_dict(plan.experiment.population)
    data["replicas"] = [
        sorted(plan.experiment.vary),
        plan.experiment.members,
        layout.kind,
        len(layout.devices),
        layout.devices_per_seed,
    ]
    return json.dumps(data, sort_keys=True)
