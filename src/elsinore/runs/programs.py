"""The compiled programs of a run."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from elsinore.config.plan import Plan
from elsinore.envs.suites import is_on_host
from elsinore.runs.checkpoints.buffers import without_buffers
from elsinore.runs.final_evaluation import evaluation_program, final_evaluation_of, placed_bare
from elsinore.runs.heap import give_back
from elsinore.runs.profile import phase
from elsinore.runs.xla_threads import XLA_THREADS, in_own_thread
from elsinore.training.layout import Layout
from elsinore.training.population import PopulationStep
from elsinore.training.replicas import over_seeds, seed_keys, stacked
from elsinore.training.turns import Turns, begin, in_turns, lower_begin
from elsinore.types import RunState

NO_UPDATES = np.int32(0)


class Compiled(NamedTuple):
    """Programs compiled ahead of their first use. States are in turns (`training/turns.py`)."""

    begin: Callable  # (keys [seed], hyper [seed] or None) -> initial states, of one seed or of all
    chunk: Callable  # (states, num_updates) -> (states, reports), a report for each turn
    # (state of the only turn, chunk) -> (state, metrics)
    population_step: Callable | None
    # states in host memory -> episodes of the final evaluation; compiled during training
    evaluate: Callable
    seconds: float  # that compiling took
    init: Callable[[], Turns]  # initial states of this run, on the layout's devices
    chunk_program: Any  # what `chunk` launches for each turn, compiled
    chunk_bytes: int = 0  # that a chunk takes of each device, states included; 0: not known
    # On the host: repeat the episodes that ran at a checkpoint; words for those that begin anew.
    resume: Callable[[Turns], str] = lambda states: ""
    close: Callable[[], None] = lambda: None  # close environments on the host
    can_evaluate: Callable[[], bool] = lambda: False  # True once `evaluate` is compiled


def compile_run(plan: Plan, layout: Layout) -> Compiled:
    """Trace and compile the programs of a run.

    XLA compiles outside the interpreter's lock, so they are compiled side by side. A chunk takes
    the memory of a large state only, so that a small one can be read while the next chunk runs. On
    the host the parts of a chunk are compiled at their first use.
    """
    began, turn = time.perf_counter(), layout.turn
    shapes = stacked(plan.state_shapes, turn.padded)
    shapes = jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        shapes,
        turn.shardings(shapes),
    )
    if is_on_host(plan.env):
        return _on_host(plan, layout, shapes)
    pool = ThreadPoolExecutor(4, XLA_THREADS)
    try:
        with phase("trace"):
            programs = pool.map(lambda program: program.compile(), _lowered(plan, layout, shapes))
            with phase("compile"):
                chunk, begin, *step = programs
    finally:  # a signal does not wait for XLA
        pool.shutdown(wait=False, cancel_futures=True)
    give_back()
    seconds = time.perf_counter() - began
    final = Meanwhile(evaluation_program(plan, layout), without_buffers(shapes))
    evaluate = final_evaluation_of(plan, layout, final)
    population_step = step[0] if step else None
    compiled = Compiled(
        begin=begin,
        chunk=in_turns(chunk),
        population_step=population_step,
        evaluate=evaluate,
        seconds=seconds,
        init=lambda: (),
        chunk_program=chunk,
        chunk_bytes=_bytes_of(chunk, layout.padded // turn.padded),
        can_evaluate=final.is_done,
    )
    return with_initial_states_of(plan, layout, compiled)


def initial_states(compiled: Compiled) -> Turns:
    """The initial states of a run, imitation included; a signal does not wait for them."""
    return in_own_thread(lambda: jax.block_until_ready(compiled.init())).result()


def _lowered(plan: Plan, layout: Layout, shapes: RunState) -> Iterator[jax.stages.Lowered]:
    """A chunk, the beginning, and the step of a population where there is one, each lowered when it
    is asked for."""
    in_place = not plan.looks_ahead
    yield over_seeds(plan.program.chunk, layout.turn, in_place).lower(shapes, NO_UPDATES)
    yield lower_begin(plan.program, layout, plan.hyper)
    if plan.population_step is not None:
        step = jit_population_step(plan.population_step, layout, shapes, in_place)
        yield step.lower(shapes, NO_UPDATES)


class Meanwhile:
    """Compiles a jitted program for arguments of these shapes on a thread of its own; a call waits
    for that."""

    def __init__(self, program: Any, *args: Any):
        # which may be of a `with` of the caller's thread
        precision = jax.config.jax_default_matmul_precision
        self._found = in_own_thread(self._compiled, precision, program, *args)
        self.is_done = self._found.done

    @staticmethod
    def _compiled(precision: Any, program: Any, *args: Any) -> Any:
        with jax.default_matmul_precision(precision):
            compiled = program.lower(*args).compile()
        give_back()
        return compiled

    def __call__(self, *args: Any) -> Any:
        return self._found.result()(*args)


def _on_host(plan: Plan, layout: Layout, shapes: RunState) -> Compiled:
    """The programs of a run whose environments are stepped on the host."""
    from elsinore.runs.host.training import HostTraining  # gymnax comes with it

    began = time.perf_counter()
    begin = lower_begin(plan.program, layout, plan.hyper).compile()
    host, step = HostTraining(plan, layout), plan.population_step
    if step is not None:
        step = jit_population_step(step, layout, shapes, donate=False)
    compiled = Compiled(
        begin=begin,
        chunk=in_turns(host.chunk),
        population_step=step,
        evaluate=lambda state: host.evaluate(*placed_bare(plan, layout, state)),
        seconds=time.perf_counter() - began,
        init=lambda: (),
        chunk_program=None,
        resume=lambda states: host.resume(*states),
        close=host.close,
    )
    return with_initial_states_of(plan, layout, compiled)


def with_initial_states_of(plan: Plan, layout: Layout, compiled: Compiled) -> Compiled:
    """The programs with the initial states of this plan's seeds and hyperparameters; they may have
    been compiled for another plan that differs in those only."""
    return compiled._replace(
        init=lambda: begin(compiled.begin, plan.state_shapes, layout, _keys(plan), plan.hyper)
    )


def _bytes_of(program: Any, turns: int) -> int:
    """Memory that a compiled program takes of each device, as XLA has planned it, and the states
    of the other turns beside it."""
    found = program.memory_analysis()
    if found is None:  # of a platform that does not say
        return 0
    total = found.output_size_in_bytes + found.temp_size_in_bytes - found.alias_size_in_bytes
    return total + turns * found.argument_size_in_bytes


def jit_population_step(
    step: PopulationStep, layout: Layout, shapes: RunState, donate: bool
) -> Any:
    """The population step, jitted: states of these shapes stay on their devices, its metrics are on
    each, and so is what members are compared by. With `donate` it takes the state's memory."""

    def of_all(states: RunState, chunk: Any) -> Any:
        if len(layout.devices) > 1:
            everywhere = partial(jax.lax.with_sharding_constraint, shardings=layout.everywhere)
            states = states._replace(convergence=jax.tree.map(everywhere, states.convergence))
        return step(states, chunk)

    out = layout.shardings(shapes), layout.everywhere
    return jax.jit(of_all, donate_argnums=(0,) if donate else (), out_shardings=out)


def _keys(plan: Plan) -> jax.Array:
    experiment = plan.experiment
    return seed_keys(experiment.seed, experiment.seeds, experiment.members)
