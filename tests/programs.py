"""Compiled programs that the runs of one test process share.

Many tests train the same tiny experiment: to stop it, resume it, damage its files. To trace and
lower its programs again takes seconds that no compile cache saves, and gives the same programs.
"""

import json
from collections import OrderedDict
from typing import Any

from elsinore.config.parse import as_dict
from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.runs.programs import Compiled, compile_run, with_initial_states_of
from elsinore.training.layout import Layout

CAPACITY = 12
HOST_SETTINGS = ("seed", "checkpoints", "sinks")  # the program does not depend on them
CONSTANT_CODE = ("tests.toys:", "tests.training.hourglass:")  # custom code that no test changes


class SharedPrograms:
    """`compile_run` that returns the programs of an equal experiment where it has them."""

    def __init__(self):
        self._known: OrderedDict[str, Compiled] = OrderedDict()

    def __call__(self, plan: Plan, layout: Layout) -> Compiled:
        if is_on_host(plan.env) or not all(map(is_constant, plan.custom_code.values())):
            return compile_run(plan, layout)
        key = key_of(plan, layout)
        if key not in self._known:
            self._known[key] = compile_run(plan, layout)
            if len(self._known) > CAPACITY:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return with_initial_states_of(plan, layout, self._known[key])

    def forget(self) -> None:
        """Forget all: the next run of each experiment compiles its own programs."""
        self._known.clear()


def is_constant(code: Any) -> bool:
    """True for a name of custom code that is the same in every test."""
    return isinstance(code, str) and code.startswith(CONSTANT_CODE)


def key_of(plan: Plan, layout: Layout) -> str:
    """The whole experiment without the settings of the host, its placement, and whether a chunk
    takes its state's memory."""
    data: dict[str, Any] = as_dict(plan.experiment)
    for name in HOST_SETTINGS:
        del data[name]
    devices = [str(device) for device in layout.devices]
    placed = [layout.kind, devices, layout.devices_per_seed, plan.looks_ahead]
    return json.dumps([data, *placed], sort_keys=True)


SHARED = SharedPrograms()
