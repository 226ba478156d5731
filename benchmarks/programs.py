"""The programs of a run, as a measurement of speed needs them: with nothing left to compile."""

import time

from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.runs.programs import Compiled, compile_run
from elsinore.training.layout import Layout


def all_compiled(plan: Plan, layout: Layout) -> Compiled:
    """The programs of a run, the final evaluation's included.

    A run begins to train while that one is compiled on a thread of its own, which takes a core for
    seconds: the first chunks would be measured beside it, at a third of their speed on one core.
    """
    compiled = compile_run(plan, layout)
    while not (is_on_host(plan.env) or compiled.can_evaluate()):
        time.sleep(0.05)
    return compiled
