"""The unit the host launches: updates, each with the curriculum's step, then an evaluation and the convergence test.

`learn_chunk` is a pure function of one seed's `RunState`; `seeds.py` puts the seed axis around it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.ops.randomness import for_update, for_use
from elsinore.training.convergence import Convergence, ConvergenceConfig, begin_convergence, judge
from elsinore.training.curriculum.lessons import (
    Lessons,
    Moves,
    before_judging,
    begin_lessons,
    remembering,
    taught,
)
from elsinore.training.curriculum.stages import Curriculum
from elsinore.training.evaluation import Episodes, EvaluationConfig, evaluate
from elsinore.types import Algorithm, Best, Metrics, RunState, names_of


@dataclass(frozen=True)
class Schedule:
    """How a run's updates are cut into rows of metrics and chunks. A chunk ends in an evaluation."""

    num_updates: int
    updates_per_chunk: int
    updates_per_row: int = 1  # updates whose metrics are added up into one row

    @property
    def rows_per_chunk(self) -> int:
        return -(-self.updates_per_chunk // self.updates_per_row)

    def row_ends(self, chunk: int) -> list[int]:
        """Updates done at the end of each of a chunk's rows."""
        start, size = chunk * self.updates_per_chunk, self.updates_in(chunk)
        return [start + min(i + self.updates_per_row, size) for i in range(0, size, self.updates_per_row)]

    @property
    def num_chunks(self) -> int:
        return -(-self.num_updates // self.updates_per_chunk)

    def updates_after(self, chunks: int) -> int:
        return min(chunks * self.updates_per_chunk, self.num_updates)

    def updates_in(self, chunk: int) -> int:
        """The last chunk, and in it the last row, may be shorter."""
        return min(self.updates_per_chunk, self.num_updates - chunk * self.updates_per_chunk)


class ChunkReport(NamedTuple):
    """What a chunk tells the host, one seed's worth; small, however many updates it holds."""

    metrics: Metrics  # each [row]; count 0 where nothing was to be measured
    episodes: Episodes  # of the evaluation
    convergence: Convergence
    update: Int[Array, ""]  # updates this seed has done
    learning: Bool[Array, ""]  # False: the seed was frozen and did nothing
    moves: Moves | tuple[()] = ()  # from stage to stage of a curriculum


class Program(NamedTuple):
    """One seed's whole training as pure functions, ready to be jitted and given a seed axis."""

    init: Callable[..., RunState]  # (key, hyper=None)
    chunk: Callable[[RunState, Any], tuple[RunState, ChunkReport]]  # (state, num_updates)
    evaluate: Callable[..., Episodes]  # (acting, env_params, key)
    algo: Algorithm
    schedule: Schedule
    trains_in_init: bool = False  # as with imitation: then `init`, which runs once, is worth compiling well


def build_program(
    algo: Algorithm,
    env: Any,
    env_params: PyTree,
    schedule: Schedule,
    evaluation: EvaluationConfig,
    convergence: ConvergenceConfig,
    max_steps: int,
    curriculum: Curriculum | None = None,
    evaluate: Callable[..., Episodes] = evaluate,
) -> Program:
    """Everything about a run that is compiled. `max_steps` bounds an episode of an evaluation.

    With a curriculum `env_params` is the world it leads to, which evaluations are made in unless it says otherwise.
    """
    min_updates = -(-convergence.min_env_steps // algo.steps_per_update)
    play = partial(evaluate, algo, env, max_steps=max_steps, greedy=evaluation.greedy)

    def target() -> PyTree:
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), env_params)

    def tested_in(stage_params: PyTree) -> PyTree:
        return stage_params if curriculum is None or curriculum.evaluate_on == "stage" else target()

    def init(key: Key[Array, ""], hyper: Any = None) -> RunState:
        course, world = ((), target()) if curriculum is None else curriculum.begin(target())
        train = algo.init(key, world, algo.hyper if hyper is None else hyper)
        train = train if curriculum is None else remembering(curriculum, train)
        best = Best(jnp.float32(-jnp.inf), jnp.int32(0), train.acting)
        return RunState(train, course, begin_convergence(convergence), best)

    def lessons(state: RunState, num_updates) -> tuple[Lessons, Metrics]:
        if curriculum is None:
            train, metrics = updates(algo, state.train, num_updates, schedule)
            return Lessons(train, (), ()), metrics
        return updates(taught(algo, curriculum), begin_lessons(state.train, state.curriculum), num_updates, schedule)

    def learn(state: RunState, num_updates) -> tuple[RunState, ChunkReport]:
        (train, course, moves), metrics = lessons(state, num_updates)
        before, best, earliest = state.convergence, state.best, min_updates
        if curriculum is not None:
            before, best, earliest = before_judging(curriculum, course, moves, before, best, earliest)
        key = for_update(train.key, train.update)
        episodes = play(tested_in(train.env_params), train.acting, key, episodes=evaluation.episodes)
        score = jnp.mean(episodes.returns)
        finite = jnp.isfinite(ravel_pytree(train.learner.params)[0]).all()
        judged = judge(convergence, before, score, finite, train.update, earliest)
        better = score > best.score  # the score is of the policy as it is now, after the chunk
        best = jax.lax.cond(better, lambda: Best(score, train.update, train.acting), lambda: best)
        report = ChunkReport(metrics, episodes, judged, train.update, jnp.bool_(True), moves)
        return RunState(train, course, judged, best), report

    learn = jax.jit(learn, inline=True)  # traced once, for its shapes and for its branch

    def chunk(state: RunState, num_updates) -> tuple[RunState, ChunkReport]:
        """At most `schedule.updates_per_chunk` updates; a seed that is frozen stays exactly as it is."""
        told = jax.eval_shape(learn, state, num_updates)[1]

        def rest(state: RunState, num_updates) -> tuple[RunState, ChunkReport]:
            nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), told)
            return state, nothing._replace(convergence=state.convergence, update=state.train.update)

        return jax.lax.cond(state.convergence.frozen, rest, learn, state, num_updates)

    def final(acting, env_params, key) -> Episodes:
        return play(tested_in(env_params), acting, for_use(key, "final"), episodes=evaluation.final_episodes)

    return Program(init, chunk, final, algo, schedule)


def updates(algo: Algorithm, train: Any, num_updates, schedule: Schedule):
    """`num_updates` (traced) updates; their metrics added up row by row, [rows_per_chunk] each."""
    update = jax.jit(algo.update, inline=True)  # traced once, for its shapes and for the loop
    names = tuple(names_of(jax.eval_shape(update, train)[1]))

    def body(i, carry):
        train, rows = carry
        train, means = update(train)
        return train, rows.at[i // schedule.updates_per_row].add(Metrics.of(means).table)

    rows: Float[Array, "row metric"] = jnp.zeros((schedule.rows_per_chunk, 2 * len(names)))
    train, rows = jax.lax.fori_loop(0, num_updates, body, (train, rows))
    return train, Metrics(rows, names)
