"""The final evaluation of a run: new episodes of every seed."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.jaxtools.host_arrays import to_host
from elsinore.runs.checkpoints.buffers import without_buffers
from elsinore.runs.xla_threads import in_own_thread
from elsinore.training.evaluation import Episodes
from elsinore.training.layout import Layout
from elsinore.training.replicas import over_seeds
from elsinore.training.turns import Turns, joined_turns, place_host
from elsinore.types import RunState


def on_host(plan: Plan, layout: Layout) -> Callable[[RunState], Episodes]:
    """The final evaluation in environments that are stepped on the host, then closed."""
    from elsinore.runs.host.training import HostTraining

    def evaluate(state: RunState) -> Episodes:
        with contextlib.closing(HostTraining(plan, layout)) as host:
            return host.evaluate(*placed_bare(plan, layout, state))

    return evaluate


def final_evaluation_of(
    plan: Plan, layout: Layout, compiled: Callable[[RunState], Episodes] | None = None
) -> Callable[[RunState], Episodes]:
    """The final evaluation of states in host memory as a function that compiles once, or calls its
    `compiled` program; its result is [seed, episode] each. A signal ends a wait for it."""
    if is_on_host(plan.env):
        return on_host(plan, layout)
    launch = evaluation_program(plan, layout) if compiled is None else compiled

    def evaluate(state: RunState) -> Episodes:
        placed = placed_bare(plan, layout, state)
        return joined_turns([to_host(launch(turn)) for turn in placed], layout)

    return lambda state: in_own_thread(evaluate, state).result()


def placed_bare(plan: Plan, layout: Layout, state: RunState) -> Turns:
    """States in host memory on the layout's devices, without their replay buffers."""
    shapes, state = map(without_buffers, (plan.state_shapes, state))
    return place_host(state, shapes, _of_bare(layout))


def _of_bare(layout: Layout) -> Layout:
    """The layout of states without replay buffers."""
    return replace(layout, divided=without_buffers(layout.divided))


def evaluation_program(plan: Plan, layout: Layout) -> Any:
    """The final evaluation of the seeds of one turn, jitted; of states without replay buffers."""

    def evaluate(state: RunState) -> Episodes:
        return plan.program.evaluate(
            state.train.policy_state, state.train.env_params, state.train.key
        )

    return over_seeds(evaluate, _of_bare(layout.turn))
