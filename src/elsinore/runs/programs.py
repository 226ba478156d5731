"""The compiled programs of a run."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from elsinore.config.plan import Plan
from elsinore.runs.run import final_evaluation_of
from elsinore.training.population import PopulationStep
from elsinore.training.replicas import (
    Layout,
    init_program,
    over_seeds,
    place,
    seed_keys,
    stacked_shapes,
)
from elsinore.types import RunState


class Compiled(NamedTuple):
    """Programs compiled ahead of their first use. States are stacked, [replica, ...]."""

    begin: Callable[..., RunState]  # (keys [replica], hyper [replica] or None) -> initial states
    chunk: Callable  # (state, num_updates) -> (state, report); takes the state's memory
    copy: Callable  # state -> state
    population_step: Callable | None  # (state, chunk) -> (state, metrics); takes the memory too
    evaluate: Callable  # state -> episodes of the final evaluation; compiled at its first use
    seconds: float  # that compiling took
    init: Callable[[], RunState]  # initial states of this run, on the layout's devices


def compile_run(plan: Plan, layout: Layout) -> Compiled:
    """Trace and compile the programs of a run.

    XLA compiles outside the interpreter's lock, so they are compiled side by side.
    """
    began = time.perf_counter()
    shapes = stacked_shapes(plan.program, layout.padded)
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout.sharding), shapes
    )

    def lowered():
        yield over_seeds(plan.program.chunk, layout, donate=True).lower(shapes, jnp.int32(0))
        yield init_program(plan.program).lower(_keys(plan), plan.hyper)
        yield over_seeds(lambda state: jax.tree.map(jnp.copy, state), layout).lower(shapes)
        if plan.population_step is not None:
            yield jit_population_step(plan.population_step, layout).lower(shapes, jnp.int32(0))

    with ThreadPoolExecutor(4) as pool:
        chunk, begin, copy, *step = pool.map(lambda program: program.compile(), lowered())
    seconds = time.perf_counter() - began
    evaluate = final_evaluation_of(plan, layout)
    population_step = step[0] if step else None
    compiled = Compiled(begin, chunk, copy, population_step, evaluate, seconds, init=lambda: None)
    return with_initial_states_of(plan, layout, compiled)


def with_initial_states_of(plan: Plan, layout: Layout, compiled: Compiled) -> Compiled:
    """The programs with the initial states of this plan's seeds and hyperparameters; they may have
    been compiled for another plan that differs in those only."""
    return compiled._replace(init=lambda: place(compiled.begin(_keys(plan), plan.hyper), layout))


def jit_population_step(step: PopulationStep, layout: Layout) -> Any:
    """The population step, jitted: states stay on their devices, its metrics are on each."""
    return jax.jit(step, donate_argnums=0, out_shardings=(layout.sharding, layout.everywhere))


def _keys(plan: Plan) -> jax.Array:
    experiment = plan.experiment
    return seed_keys(experiment.seed, experiment.seeds, experiment.members)
