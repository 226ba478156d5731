"""Compiled programs, kept for runs that differ only in what is traced."""

import json
import logging
from collections import OrderedDict
from typing import Any

from elsinore.config.build import as_dict
from elsinore.config.members import members_of
from elsinore.config.plan import Plan
from elsinore.host.run import Compiled, begun_as, compile_run
from elsinore.training.seeds import Layout

log = logging.getLogger("elsinore")


class Programs:
    """`compile_run` that compiles one signature once; the few used last are kept."""

    def __init__(self, capacity: int = 8):
        self._known: OrderedDict[str, Compiled] = OrderedDict()
        self._capacity = capacity

    def __call__(self, plan: Plan, layout: Layout) -> Compiled:
        key = signature(plan, layout)
        if key in self._known:
            self._known.move_to_end(key)
            return begun_as(plan, layout, self._known[key]._replace(seconds=0.0))
        compiled = self._known[key] = compile_run(plan, layout)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return compiled


def signature(plan: Plan, layout: Layout) -> str:
    """What a run's programs are made from: its config without the numbers that vary and what only the host reads."""
    data: dict[str, Any] = as_dict(members_of(plan.experiment)[0])
    for name in plan.experiment.vary:
        data["algo"].pop(name.removeprefix("algo."))
    for name in ("seed", "vary", "checkpoints", "sinks"):
        data.pop(name)
    data["population"] = as_dict(plan.experiment.population)
    data["replicas"] = [sorted(plan.experiment.vary), plan.experiment.members, layout.kind, len(layout.devices)]
    return json.dumps(data, sort_keys=True)
