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

from elsinore.experience.episode_stats import check_recorded, mean_of_last, with_stats
from elsinore.jaxtools import shards
from elsinore.jaxtools.conditions import cond_with_shared
from elsinore.jaxtools.prng import for_update, for_use
from elsinore.training.curriculum.stages import Curriculum
from elsinore.training.curriculum.with_curriculum import (
    CurriculumCarry,
    StageChanges,
    adjust_for_stage,
    init_curriculum_carry,
    with_curriculum,
    with_episode_stats,
)
from elsinore.training.early_stopping import (
    Convergence,
    ConvergenceConfig,
    init_convergence,
    judge,
    watched,
)
from elsinore.training.evaluation import Episodes, EvaluationConfig, evaluate
from elsinore.training.schedule import Schedule
from elsinore.training.shards import (
    SHARED,
    Shards,
    divided_axes,
    evaluated_in_shards,
    over_shards,
)
from elsinore.types import Algorithm, Best, Metrics, PolicyState, RunState, TrainState, names_of

LOGGED = ("agent", "return", "length")  # of each episode
Count = int | np.integer | Int[Array, ""]


class ChunkReport(NamedTuple):
    """Results of one seed's chunk for the host; their size does not depend on its updates."""

    metrics: Metrics  # each [row]; count 0 where there was nothing to measure
    episodes: Episodes  # of the evaluation
    convergence: Convergence
    update: Int[Array, ""]  # updates this seed has done
    learning: Bool[Array, ""]  # False: the seed was frozen and did nothing
    stage_changes: StageChanges | tuple[()] = ()  # () without stages
    # training episodes that ended, in order: their number and an array [name, episode] whose first
    # `number` columns they are, of the names `LOGGED`; () unless each is a row
    finished: tuple[Int[Array, ""], Float[Array, "name episode"]] | tuple[()] = ()
    # True if there was an evaluation; () where each chunk has one
    evaluated: Bool[Array, ""] | tuple[()] = ()

    def with_evaluation(self, later: "ChunkReport") -> "ChunkReport":
        """The report of a chunk, with the evaluation in the report of one without updates."""
        return self._replace(
            episodes=later.episodes, convergence=later.convergence, evaluated=later.evaluated
        )


class Program(NamedTuple):
    """One seed's whole training as pure functions, ready to be jitted and given a seed axis."""

    init: Callable[..., RunState]  # (key, hyper=None)
    chunk: Callable[[RunState, Any], tuple[RunState, ChunkReport]]  # (state, num_updates)
    evaluate: Callable[..., Episodes]  # (policy_state, env_params, key)
    algo: Algorithm
    schedule: Schedule
    # True with imitation: then `init` is compiled with all optimisations
    trains_in_init: bool = False
    # Of each leaf of the state, the axis that shards divide; None: the seed has one shard.
    divided: PyTree = None


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
    log_episodes: bool = False,
    division: Shards | None = None,
) -> Program:
    """Build the compiled functions of a run. `max_steps` bounds the episodes of an evaluation;
    `log_episodes`: reports have each finished training episode.

    With a curriculum `env_params` are the target's, which evaluations use by default. With a
    `division` `algo` is of the whole seed, and so are the functions, which are made of those of its
    shards.

    Raises:
        ValueError: for an algorithm whose state cannot be divided into shards.
    """
    algo = algo if division is None else division.part
    play = partial(evaluate, algo, env, max_steps=max_steps, greedy=evaluation.greedy)
    play = play if division is None else evaluated_in_shards(play, division)
    parts = _ChunkFunctions(
        algo=algo,
        env_params=env_params,
        schedule=schedule,
        evaluation=evaluation,
        convergence=convergence,
        curriculum=curriculum,
        play=play,
        log_episodes=log_episodes,
        division=division,
    )
    program = Program(
        init=parts.init,
        chunk=parts.chunk,
        evaluate=parts.evaluate,
        algo=algo,
        schedule=schedule,
    )
    return program if division is None else _sharded(parts, program, division)


@dataclass(frozen=True, eq=False)
class _ChunkFunctions:
    """The functions of a `Program`, and what they are made from."""

    algo: Algorithm
    env_params: PyTree  # of the target
    schedule: Schedule
    evaluation: EvaluationConfig
    convergence: ConvergenceConfig
    curriculum: Curriculum | None
    play: Callable[..., Episodes]  # (env_params, policy_state, key, episodes=...)
    log_episodes: bool = False
    division: Shards | None = None

    def target(self) -> PyTree:
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), self.env_params)

    def evaluation_params(self, stage_params: PyTree) -> PyTree:
        on_stage = self.curriculum is None or self.curriculum.evaluate_on == "stage"
        return stage_params if on_stage else self.target()

    def init(self, key: Key[Array, ""], hyper: Any = None) -> RunState:
        return self.init_of(self.algo, key, hyper)

    def init_of(self, algo: Algorithm, key: Key[Array, ""], hyper: Any) -> RunState:
        curriculum = self.curriculum
        stage_state, params = (
            ((), self.target()) if curriculum is None else curriculum.begin(self.target())
        )
        train = algo.init(key, params, algo.hyper if hyper is None else hyper)
        train = train if curriculum is None else with_episode_stats(curriculum, train)
        if self.convergence.counts_episodes:
            train = with_stats(train, "episode_stats", ("return",), self.convergence.window)
        best = Best(jnp.float32(-jnp.inf), jnp.int32(0), train.policy_state)
        return RunState(train, stage_state, init_convergence(self.convergence), best)

    def run_updates(self, state: RunState, num_updates: Count) -> tuple[CurriculumCarry, Metrics]:
        algo = self.algo
        if self.convergence.counts_episodes:
            algo = with_check(algo, "convergence.counts: episodes", "episode_stats")
        if self.log_episodes:
            algo = with_check(algo, "rows: episode", "episode_log")
            steps = shards.number() * algo.steps_per_update
            most = self.schedule.updates_per_chunk * steps
            state = state._replace(train=with_stats(state.train, "episode_log", LOGGED, most))
        if self.curriculum is None:
            train, metrics = updates(algo, state.train, num_updates, self.schedule)
            return CurriculumCarry(train, (), ()), metrics
        return updates(
            with_curriculum(algo, self.curriculum),
            init_curriculum_carry(state.train, state.curriculum),
            num_updates,
            self.schedule,
        )

    def learn(self, state: RunState, num_updates: Count) -> tuple[RunState, ChunkReport]:
        """Updates, an evaluation, the convergence test; with evaluations on request no updates, or
        no evaluation."""
        carry, metrics = self.run_updates(state, num_updates)
        stage_state, changes = carry.stage_state, carry.changes
        train, finished = without_log(carry.train)
        before, best, trained = state.convergence, state.best, None
        if self.convergence.counts_episodes:
            stats = train.actor.episode_stats
            trained = mean_of_last(stats, "return", self.convergence.window)
        whole = self.algo if self.division is None else self.division.whole
        earliest = earliest_update(self.convergence, whole)
        if self.curriculum is not None:
            before, best, earliest = adjust_for_stage(
                self.curriculum, stage_state, cast(StageChanges, changes), before, best, earliest
            )
        key, params = for_update(train.key, train.update), self.evaluation_params(train.env_params)
        play = partial(self.play, params, train.policy_state, key)

        def judged_by_evaluation() -> tuple[Episodes, Convergence, Best]:
            episodes = play(episodes=self.evaluation.episodes)
            score = jnp.mean(episodes.returns)
            scores = with_score(self.convergence, before, best, train, score, earliest, trained)
            return episodes, *scores

        evaluated: Any = ()
        if self.evaluation.on_request:
            evaluated = jnp.asarray(num_updates) == 0
            without = watched(before, finite(train), train.update), best
            episodes, judged, leader = if_asked(evaluated, judged_by_evaluation, without)
        else:
            episodes, judged, leader = judged_by_evaluation()
        moves = () if self.curriculum is not None and not self.curriculum.has_stages else changes
        report = ChunkReport(
            metrics=metrics,
            episodes=episodes,
            convergence=judged,
            update=train.update,
            learning=jnp.bool_(True),
            stage_changes=moves,
            finished=finished,
            evaluated=evaluated,
        )
        return RunState(train, stage_state, judged, leader), report

    @cached_property
    def divided(self) -> PyTree:
        """The axes that shards divide; of undivided seeds None."""
        if self.division is None:
            return None
        whole, part = (
            jax.eval_shape(lambda key, algo=algo: self.init_of(algo, key, None), jax.random.key(0))
            for algo in (self.division.whole, self.algo)
        )
        return divided_axes(whole, part, self.division.number)

    @cached_property
    def learn_once(self) -> Callable[[RunState, Count], tuple[RunState, ChunkReport]]:
        """`learn`, traced once: for its shapes and for its branch."""
        learn = self.learn
        if self.division is not None:
            axes = self.divided
            learn = over_shards(learn, self.division, (axes, SHARED), (axes, SHARED))
        return jax.jit(learn, inline=True)

    def chunk(self, state: RunState, num_updates: Count) -> tuple[RunState, ChunkReport]:
        """At most `schedule.updates_per_chunk` updates; a frozen seed does not change."""
        shapes = jax.eval_shape(self.learn_once, state, num_updates)[1]

        def skip(state: RunState, num_updates: Count) -> tuple[RunState, ChunkReport]:
            zeros = jax.tree.map(jnp.zeros_like, shapes)
            return state, zeros._replace(convergence=state.convergence, update=state.train.update)

        frozen = state.convergence.frozen
        return cond_with_shared(frozen, skip, self.learn_once, state, jnp.int32(num_updates))

    def evaluate(
        self, policy_state: PolicyState, env_params: PyTree, key: Key[Array, ""]
    ) -> Episodes:
        """The final evaluation."""
        params, key = self.evaluation_params(env_params), shards.own_key(for_use(key, "final"))
        return self.play(params, policy_state, key, episodes=self.evaluation.final_episodes)


def _sharded(parts: _ChunkFunctions, program: Program, division: Shards) -> Program:
    """The program of whole seeds, from the functions of their shards."""
    axes = parts.divided
    init = over_shards(program.init, division, (SHARED, SHARED), axes)
    return program._replace(
        init=lambda key, hyper=None: init(key, hyper),
        evaluate=over_shards(program.evaluate, division, (SHARED,) * 3, SHARED),
        algo=division.whole,
        divided=axes,
    )


def with_check(algo: Algorithm, setting: str, field: str) -> Algorithm:
    """The algorithm, refused at trace time if it does not record its episodes in that field."""

    def update(before: TrainState) -> tuple[TrainState, dict[str, Any]]:
        after, metrics = algo.update(before)
        check_recorded(setting, getattr(before.actor, field), getattr(after.actor, field))
        return after, metrics

    return algo._replace(update=update)


def without_log(train: TrainState) -> tuple[TrainState, tuple]:
    """The state without its log of a chunk's episodes, and their number and values."""
    log = train.actor.episode_log
    if log is None:
        return train, ()
    return train._replace(actor=train.actor._replace(episode_log=None)), (log.num, log.recent)


def earliest_update(convergence: ConvergenceConfig, algo: Algorithm) -> int:
    """The update from which a seed may converge; the last that can be counted stands for later
    ones."""
    return min(-(-convergence.min_env_steps // algo.steps_per_update), 2**31 - 1)


def if_asked(
    asked: Bool[Array, ""],
    evaluated: Callable[[], tuple[Episodes, Convergence, Best]],
    otherwise: tuple[Convergence, Best],
) -> tuple[Episodes, Convergence, Best]:
    """An evaluation and what it changes; unless `asked`, episodes of zeros and `otherwise`."""
    shapes = jax.eval_shape(evaluated)[0]
    none = jax.tree.map(jnp.zeros_like, shapes)
    return jax.lax.cond(asked, evaluated, lambda: (none, *otherwise))


def finite(train: TrainState) -> Bool[Array, ""]:
    """True while every parameter is a finite number."""
    return jnp.isfinite(ravel_pytree(train.learner.params)[0]).all()


def with_score(
    config: ConvergenceConfig,
    before: Convergence,
    best: Best,
    train: TrainState,
    score: Float[Array, ""],
    earliest: int | Int[Array, ""],
    trained: Any = None,
) -> tuple[Convergence, Best]:
    """The convergence test and the best policy after an evaluation with that mean return, where
    `trained` is the mean of the last episodes in training, if they count."""
    usable = finite(train)
    judged = judge(config, before, score, usable, train.update, earliest, trained)
    better = usable & (score > best.score)  # the score is of the policy as it is after the chunk
    best = jax.lax.cond(better, lambda: Best(score, train.update, train.policy_state), lambda: best)
    return judged, best


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
    return train, Metrics(shards.total(rows), names)
