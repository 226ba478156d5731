"""The final evaluation of a run: new episodes of every seed."""

import contextlib
from collections.abc import Callable
from typing import Any

from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.jaxtools.host_arrays import to_host
from elsinore.runs.xla_threads import in_own_thread
from elsinore.training.evaluation import Episodes
from elsinore.training.layout import Layout
from elsinore.training.replicas import over_seeds
from elsinore.training.turns import Turns, joined_turns
from elsinore.types import RunState


def on_host(plan: Plan, layout: Layout) -> Callable[[Turns], Episodes]:
    """The final evaluation in environments that are stepped on the host, then closed."""
    from elsinore.runs.host.training import HostTraining

    def evaluate(states: Turns) -> Episodes:
        with contextlib.closing(HostTraining(plan, layout)) as host:
            return host.evaluate(*states)

    return evaluate


def final_evaluation_of(
    plan: Plan, layout: Layout, compiled: Callable[[RunState], Episodes] | None = None
) -> Callable[[Turns], Episodes]:
    """The final evaluation as a function that compiles once, or calls its `compiled` program; its
    result is [seed, episode] each. A signal ends a wait for it."""
    if is_on_host(plan.env):
        return on_host(plan, layout)
    launch = evaluation_program(plan, layout) if compiled is None else compiled

    def evaluate(states: Turns) -> Episodes:
        return joined_turns([to_host(launch(state)) for state in states], layout)

    return lambda states: in_own_thread(evaluate, states).result()


def evaluation_program(plan: Plan, layout: Layout) -> Any:
    """The final evaluation of the seeds of one turn, jitted."""

    def evaluate(state: RunState) -> Episodes:
        return plan.program.evaluate(
            state.train.policy_state, state.train.env_params, state.train.key
        )

    return over_seeds(evaluate, layout.turn)
