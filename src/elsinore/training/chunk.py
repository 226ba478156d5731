"""The compiled unit that the host launches: updates with their curriculum steps, an evaluation, and
the convergence test.

`Program.chunk` is a pure function of one seed's `RunState`; `replicas.py` adds the seed axis.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from elsinore.jaxtools.prng import for_update, for_use
from elsinore.training.convergence import Convergence, ConvergenceConfig, init_convergence, judge
from elsinore.training.curriculum.stages import Curriculum
from elsinore.training.curriculum.with_curriculum import (
    CurriculumCarry,
    StageChanges,
    adjust_for_stage,
    init_curriculum_carry,
    with_curriculum,
    with_episode_stats,
)
from elsinore.training.evaluation import Episodes, EvaluationConfig, evaluate
from elsinore.types import Algorithm, Best, Metrics, PolicyState, RunState, names_of

Count = int | np.integer | Int[Array, ""]


@dataclass(frozen=True)
class Schedule:
    """Division of a run's updates into chunks, each ending in an evaluation, and metric rows."""

    num_updates: int
    updates_per_chunk: int
    updates_per_row: int = 1  # updates whose metrics are added up into one row

    @property
    def rows_per_chunk(self) -> int:
        return -(-self.updates_per_chunk // self.updates_per_row)

    def row_ends(self, chunk: int) -> list[int]:
        """Updates done at the end of each of a chunk's rows."""
        start, size = chunk * self.updates_per_chunk, self.updates_in(chunk)
        return [
            start + min(i + self.updates_per_row, size)
            for i in range(0, size, self.updates_per_row)
        ]

    @property
    def num_chunks(self) -> int:
        return -(-self.num_updates // self.updates_per_chunk)

    def updates_after(self, chunks: int) -> int:
        return min(chunks * self.updates_per_chunk, self.num_updates)

    def updates_in(self, chunk: int) -> int:
        """Updates of a chunk; the last chunk, and in it the last row, may be shorter."""
        return min(self.updates_per_chunk, self.num_updates - chunk * self.updates_per_chunk)


class ChunkReport(NamedTuple):
    """Results of one seed's chunk for the host; their size does not depend on its updates."""

    metrics: Metrics  # each [row]; count 0 where there was nothing to measure
    episodes: Episodes  # of the evaluation
    convergence: Convergence
    update: Int[Array, ""]  # updates this seed has done
    learning: Bool[Array, ""]  # False: the seed was frozen and did nothing
    stage_changes: StageChanges | tuple[()] = ()  # () without a curriculum


class Program(NamedTuple):
    """One seed's whole training as pure functions, ready to be jitted and given a seed axis."""

    init: Callable[..., RunState]  # (key, hyper=None)
    chunk: Callable[[RunState, Any], tuple[RunState, ChunkReport]]  # (state, num_updates)
    evaluate: Callable[..., Episodes]  # (policy_state, env_params, key)
    algo: Algorithm
    schedule: Schedule
    # True with imitation: then `init` is compiled with all optimisations
    trains_in_init: bool = False


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
    """Build the compiled functions of a run. `max_steps` bounds the episodes of an evaluation.

    With a curriculum `env_params` are the target's, which evaluations use by default.
    """
    play = partial(evaluate, algo, env, max_steps=max_steps, greedy=evaluation.greedy)
    parts = _Parts(algo, env_params, schedule, evaluation, convergence, curriculum, play)
    return Program(parts.init, parts.chunk, parts.evaluate, algo, schedule)


@dataclass(frozen=True, eq=False)
class _Parts:
    """The functions of a `Program`, and what they are made from."""

    algo: Algorithm
    env_params: PyTree  # of the target
    schedule: Schedule
    evaluation: EvaluationConfig
    convergence: ConvergenceConfig
    curriculum: Curriculum | None
    play: Callable[..., Episodes]  # (env_params, policy_state, key, episodes=...)

    def target(self) -> PyTree:
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), self.env_params)

    def evaluation_params(self, stage_params: PyTree) -> PyTree:
        on_stage = self.curriculum is None or self.curriculum.evaluate_on == "stage"
        return stage_params if on_stage else self.target()

    def init(self, key: Key[Array, ""], hyper: Any = None) -> RunState:
        algo, curriculum = self.algo, self.curriculum
        stage_state, params = (
            ((), self.target()) if curriculum is None else curriculum.begin(self.target())
        )
        train = algo.init(key, params, algo.hyper if hyper is None else hyper)
        train = train if curriculum is None else with_episode_stats(curriculum, train)
        best = Best(jnp.float32(-jnp.inf), jnp.int32(0), train.policy_state)
        return RunState(train, stage_state, init_convergence(self.convergence), best)

    def run_updates(self, state: RunState, num_updates: Count) -> tuple[CurriculumCarry, Metrics]:
        if self.curriculum is None:
            train, metrics = updates(self.algo, state.train, num_updates, self.schedule)
            return CurriculumCarry(train, (), ()), metrics
        return updates(
            with_curriculum(self.algo, self.curriculum),
            init_curriculum_carry(state.train, state.curriculum),
            num_updates,
            self.schedule,
        )

    def learn(self, state: RunState, num_updates: Count) -> tuple[RunState, ChunkReport]:
        """Updates, an evaluation, the convergence test."""
        (train, stage_state, changes), metrics = self.run_updates(state, num_updates)
        before, best = state.convergence, state.best
        earliest = -(-self.convergence.min_env_steps // self.algo.steps_per_update)
        if self.curriculum is not None:
            before, best, earliest = adjust_for_stage(
                self.curriculum, stage_state, cast(StageChanges, changes), before, best, earliest
            )
        key, params = for_update(train.key, train.update), self.evaluation_params(train.env_params)
        episodes = self.play(params, train.policy_state, key, episodes=self.evaluation.episodes)
        score = jnp.mean(episodes.returns)
        finite = jnp.isfinite(ravel_pytree(train.learner.params)[0]).all()
        judged = judge(self.convergence, before, score, finite, train.update, earliest)
        better = score > best.score  # the score is of the policy as it is now, after the chunk
        best = jax.lax.cond(
            better, lambda: Best(score, train.update, train.policy_state), lambda: best
        )
        report = ChunkReport(metrics, episodes, judged, train.update, jnp.bool_(True), changes)
        return RunState(train, stage_state, judged, best), report

    @cached_property
    def learn_once(self) -> Callable[[RunState, Count], tuple[RunState, ChunkReport]]:
        """`learn`, traced once: for its shapes and for its branch."""
        return jax.jit(self.learn, inline=True)

    def chunk(self, state: RunState, num_updates: Count) -> tuple[RunState, ChunkReport]:
        """At most `schedule.updates_per_chunk` updates; a frozen seed does not change."""
        shapes = jax.eval_shape(self.learn_once, state, num_updates)[1]

        def skip(state: RunState, num_updates: Count) -> tuple[RunState, ChunkReport]:
            zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
            return state, zeros._replace(convergence=state.convergence, update=state.train.update)

        return jax.lax.cond(state.convergence.frozen, skip, self.learn_once, state, num_updates)

    def evaluate(
        self, policy_state: PolicyState, env_params: PyTree, key: Key[Array, ""]
    ) -> Episodes:
        """The final evaluation."""
        params, key = self.evaluation_params(env_params), for_use(key, "final")
        return self.play(params, policy_state, key, episodes=self.evaluation.final_episodes)


def updates(
    algo: Algorithm, train: Any, num_updates: Count, schedule: Schedule
) -> tuple[Any, Metrics]:
    """Run `num_updates` updates; their metrics are summed row by row, [rows_per_chunk] each."""
    update = jax.jit(algo.update, inline=True)  # traced once, for its shapes and for the loop
    names = tuple(names_of(jax.eval_shape(update, train)[1]))

    def body(i, carry):
        train, rows = carry
        train, means = update(train)
        return train, rows.at[i // schedule.updates_per_row].add(Metrics.of(means).table)

    rows: Float[Array, "row metric"] = jnp.zeros((schedule.rows_per_chunk, 2 * len(names)))
    train, rows = jax.lax.fori_loop(0, num_updates, body, (train, rows))
    return train, Metrics(rows, names)
